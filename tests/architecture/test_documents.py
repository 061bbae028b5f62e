"""What is written for people says what is there."""

import re

import click
import pytest

from mesos_py.cli.main import cli
from tests.architecture.source import ROOT, code_of, documents, name_of

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)
_COMMAND = re.compile(r"(?<![\w/.-])mesos ([a-z]+)\b([^;#|`]*)")
_WORD = re.compile(r"\s+([a-z]+)\b")
_PASSES_ON = ("mapreduce", "hadoop")
"""Commands whose words after their own options are Hadoop's, with one dash."""
_FLAG = re.compile(r"(?<![\w-])(--?[a-z][a-z-]*)")


def _anchors(text):
    """As GitHub makes them of headings."""
    headings = [heading.replace("`", "").strip().lower() for heading in _HEADING.findall(_FENCED.sub("", text))]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_links_lead_somewhere(document):
    broken = []
    for target in _LINK.findall(_FENCED.sub("", document.read_text())):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path) if path else document
        if not file.exists() or (anchor and anchor not in _anchors(file.read_text())):
            broken.append(target)
    assert broken == []


def _commands(document):
    """Each with the words below it, such as ``agent drain``, and its flags."""
    for code in code_of(document):
        for name, rest in _COMMAND.findall(code):
            below = _WORD.match(rest)
            if below and isinstance(group := cli.get_command(None, name), click.Group):
                name = f"{name} {below[1]}" if below[1] in group.commands else name  # noqa: PLW2901
            yield name, _FLAG.findall(rest.partition(" -- ")[0].partition("'")[0])


def _command(name):
    name, _, below = name.partition(" ")
    command = cli.get_command(None, name)
    return command.commands[below] if below else command


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_commands_and_flags_are_real(document):
    wrong = []
    for name, flags in _commands(document):
        command = _command(name)
        if command is None:
            wrong.append(f"mesos {name}")
            continue
        if name in _PASSES_ON:
            flags = [flag for flag in flags if flag.startswith("--")]  # noqa: PLW2901
        known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
        wrong += [f"mesos {name} {flag}" for flag in flags if flag not in {*known, "--help", "-h"}]
    assert wrong == []


def test_the_readme_leads_to_every_page():
    pages = {f"docs/{page.relative_to(ROOT / 'docs')}" for page in (ROOT / "docs").rglob("*.md")}
    pages = {page for page in pages if not page.startswith(("docs/decisions/", "docs/changes/"))}
    assert pages - {target.partition("#")[0] for target in _LINK.findall((ROOT / "README.md").read_text())} == set()


def test_the_readme_names_commands():
    assert {"run", "master", "agent"} <= {name for name, _ in _commands(ROOT / "README.md")}


def test_every_fault_in_the_guide_has_its_test():
    guide = (ROOT / "docs" / "high-availability.md").read_text()
    table = guide.partition("## What happens when")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    for row in rows:
        file, *words = re.findall(r"`([^`]+)`", row[-1])
        text = (ROOT / "tests" / file).read_text()
        assert all(word in text for word in words), row
