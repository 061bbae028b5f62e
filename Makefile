# Everything a newcomer, a developer or a CI machine runs. `make help` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_TEST := $(VENV)/.ready-test

.PHONY: help venvs demo soak mutations test integration test-vm vm-up vm-ssh vm-down molecule chaos fast lint format protocol changelog lock bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml requirements/run.txt tools/make-venv
	@tools/make-venv $(PYTHON) $(VENV) requirements/run.txt
	@touch $@

$(READY_TEST): $(READY) requirements/test.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements/test.txt
	@touch $@

demo: $(READY) ## Count the words of Python's own library on an embedded cluster
	@$(BIN)/python -m mesos_py.frameworks.wordcount

test: fast integration ## Run the tests, the fast ones first

fast: $(READY_TEST) ## Run the tests that need no broker and start no processes; installs promtool if missing
	@tools/ensure-promtool
	@$(BIN)/python -m pytest -m "not integration" -n auto $(ARGS)

integration: $(READY_TEST) ## Run the others; installs RabbitMQ, ZooKeeper and MPI from Debian's packages if missing
	@tools/ensure-rabbitmq
	@tools/ensure-zookeeper
	@tools/ensure-mpi
	@$(BIN)/python -m pytest -m "integration and not chaos" $(ARGS)

chaos: $(READY_TEST) ## As root: break everything that can be broken under load, and print how long it took (minutes)
	@tools/ensure-rabbitmq
	@tools/ensure-zookeeper
	@$(BIN)/python -m pytest tests/chaos $(ARGS)

test-vm: $(READY_TEST) ## Run the tests of isolation in a virtual machine with systemd and pure cgroup v2 (minutes)
	@tools/ensure-vm
	@PYTHONPATH=molecule $(BIN)/python -m vm test $(ARGS)

VM := PYTHONPATH=molecule $(BIN)/python -m vm
NODES ?= 1
NODE ?= node1
vm-up: $(READY_TEST) ## Bring up virtual machines with Debian 12 to try things on: `make vm-up NODES=3`
	@tools/ensure-vm
	@$(VM) up --nodes $(NODES)

vm-ssh: $(READY_TEST) ## Log in to one of them as root: `make vm-ssh NODE=node2`
	@$(VM) ssh $(NODE)

vm-down: $(READY_TEST) ## End them; nothing of them is left
	@$(VM) down

READY_MOLECULE := .venv-molecule/.ready
$(READY_MOLECULE): requirements/molecule.txt tools/make-venv
	@tools/make-venv $(PYTHON) .venv-molecule requirements/molecule.txt
	@touch $@

venvs: $(READY_TEST) $(READY_MOLECULE) ## Make the virtual environments that the rest makes as it needs them

SCENARIO ?= isolation $(patsubst molecule/%/molecule.yml,%,$(wildcard molecule/*/molecule.yml))
molecule: $(READY_TEST) $(READY_MOLECULE) ## Run all scenarios in virtual machines, or `make molecule SCENARIO=default`; how long each took
	@tools/ensure-vm
	@molecule/run $(SCENARIO)

lint: $(READY_TEST) $(READY_MOLECULE) ## Check style, types, layers and spelling; also of roles and playbooks
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy playbooks tools
	@$(BIN)/lint-imports
	@$(BIN)/codespell
	@.venv-molecule/bin/yamllint --strict roles playbooks molecule .yamllint.yml .ansible-lint.yml
	@PATH=$(CURDIR)/.venv-molecule/bin:$$PATH ansible-lint -q -c .ansible-lint.yml roles playbooks molecule

format: $(READY_TEST) ## Bring the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

protocol: $(READY_TEST) ## Write the reference part of docs/protocol.md and its JSON Schema anew from the message types
	@$(BIN)/python docs/protocol.py

changelog: $(READY_TEST) ## Show the changelog that the fragments in docs/changes make
	@$(BIN)/towncrier build --draft

lock: $(READY_TEST) ## Lock the dependencies anew
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv
	@$(BIN)/uv pip compile -q --universal --no-header --no-emit-index-url --no-annotate pyproject.toml -o requirements/run.txt
	@$(BIN)/uv pip compile -q --universal --no-header --no-emit-index-url --no-annotate --extra test --extra lint pyproject.toml -o requirements/test.txt
	@$(BIN)/uv pip compile -q --universal --no-header --no-emit-index-url --no-annotate --extra molecule -c requirements/run.txt pyproject.toml -o requirements/molecule.txt

bench: $(READY_TEST) ## Run the benchmarks (minutes); each is also `python -m benchmarks.NAME`
	@for name in allocation launch_rate processes containers recovery idle readers failover simulation frameworks.mpi frameworks.celery frameworks.mapreduce; do $(BIN)/python -m benchmarks.$$name; done

SEEDS ?= 10000..11000
soak: $(READY_TEST) ## Run the simulation for longer: `make soak SEEDS=1..100000` (an hour is some thousands of seeds)
	@$(BIN)/mesos simulate --quiet --seeds $(SEEDS)

mutations: $(READY_TEST) ## Break every promise on purpose, and see in how many seeds the simulation finds it
	@$(BIN)/python -m tests.simulation.mutations

clean: ## Remove what was made here
	@rm -rf $(VENV) .venv-molecule build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
