"""An executor that counts primes, many tasks in one process. Agents start it; see custom_executor_framework.py."""

import json
import threading

from mesos_py import Executor, TaskState

executor = Executor()
cancelled = {}


@executor.on_launch
def launch(task):
    cancelled[task.task_id] = threading.Event()
    threading.Thread(target=work, args=(task,), daemon=True).start()


@executor.on_kill
def kill(task_id, _policy):
    cancelled[task_id].set()


@executor.on_shutdown
def shutdown(_grace_s):
    for event in cancelled.values():
        event.set()


def work(task):
    """In a thread of its own: callbacks must not block, reports may come from anywhere."""
    executor.update(task.task_id, TaskState.RUNNING)
    wanted = json.loads(task.data)
    count = 0
    for number in range(wanted["from"], wanted["to"]):
        if cancelled[task.task_id].is_set():
            executor.update(task.task_id, TaskState.KILLED)
            return
        count += number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))
    executor.update(task.task_id, TaskState.FINISHED, data=json.dumps({"primes": count}).encode())


executor.run()
