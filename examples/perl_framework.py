"""Has words turned around by an executor written in Perl: perl_executor.pl beside this file.

MESOS_BROKER=amqp://guest:guest@localhost python examples/perl_framework.py

The agents must find that file at the same path as this host.
"""

from pathlib import Path

from mesos_py import TERMINAL, CommandInfo, ExecutorInfo, Framework, Resources, TaskInfo

WORDS = ["stressed", "drawer", "reward"]

program = Path(__file__).with_name("perl_executor.pl").resolve()
executor = ExecutorInfo(
    executor_id="turner", command=CommandInfo(argv=["perl", str(program)]), resources=Resources.of(cpus=0.1, mem=32)
)
tasks = [
    TaskInfo(task_id=f"turn-{word}", resources=Resources.of(cpus=0.1, mem=8), executor=executor, data=word.encode())
    for word in WORDS
]

with Framework("turner") as framework:
    offer = framework.wait_offer(cpus=0.4, mem=56, timeout=60)
    framework.launch(offer, tasks)
    for task in tasks:
        status = framework.wait(task.task_id, states=TERMINAL, timeout=60)
        print(task.data.decode(), "->", status.data.decode(), status.state, status.message)
