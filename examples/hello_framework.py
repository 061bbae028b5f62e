"""Runs five tasks wherever there is room, and says what becomes of them.

MESOS_BROKER=amqp://guest:guest@localhost python examples/hello_framework.py
"""

from mesos_py import TERMINAL, Framework, TaskQueue, TaskSpec, command_task, first_fit

framework = Framework("hello")
tasks = [command_task(f"hello-{number}", f"echo hello from task {number}", cpus=0.1, mem=32) for number in range(5)]
waiting = TaskQueue(TaskSpec(task=task) for task in tasks)
unfinished = {task.task_id for task in tasks}


@framework.on_offers
def place(offers):
    packing = first_fit(waiting, offers)
    for launch in packing.launches:
        framework.launch(launch.offers, launch.tasks)
    framework.decline(packing.unused)
    waiting.remove_all(packing.placed_ids())
    if not waiting:
        framework.suppress()  # others may have what is free


@framework.on_update
def heard(status):
    print(status.task_id, status.state, status.message)
    if status.state in TERMINAL:
        unfinished.discard(status.task_id)
        if not unfinished:
            framework.stop()


framework.run()
