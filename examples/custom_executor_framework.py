"""Counts the primes below 40,000 in four tasks, all in one executor per agent: custom_executor.py beside this file.

MESOS_BROKER=amqp://guest:guest@localhost python examples/custom_executor_framework.py

The agents must find that file, this Python, and mesos_py at the same paths as this host.
"""

import json
import sys
from pathlib import Path

from mesos_py import CommandInfo, ExecutorInfo, Framework, Resources, TaskInfo, TaskSpec, TaskState, first_fit

program = Path(__file__).with_name("custom_executor.py").resolve()
executor = ExecutorInfo(
    executor_id="primes",
    command=CommandInfo(argv=[sys.executable, str(program)]),
    resources=Resources.of(cpus=0.1, mem=64),
)
framework = Framework("primes")
waiting = {
    f"primes-{start}": TaskSpec(
        task=TaskInfo(
            task_id=f"primes-{start}",
            resources=Resources.of(cpus=0.1, mem=16),
            executor=executor,
            data=json.dumps({"from": start, "to": start + 10_000}).encode(),
        )
    )
    for start in range(0, 40_000, 10_000)
}
counts = dict.fromkeys(waiting)


@framework.on_offers
def place(offers):
    packing = first_fit(waiting.values(), offers)
    for launch in packing.launches:
        framework.launch(launch.offers, launch.tasks)
    framework.decline(packing.unused)
    for task_id in packing.placed_ids():
        del waiting[task_id]
    if not waiting:
        framework.suppress()


@framework.on_update
def heard(status):
    print(status.task_id, status.state, status.message)
    if status.state is TaskState.FINISHED:
        counts[status.task_id] = json.loads(status.data)["primes"]
    elif status.state in (TaskState.FAILED, TaskState.ERROR):
        framework.stop()
    if None not in counts.values():
        print("primes below 40,000:", sum(counts.values()))
        framework.stop()


framework.run()
