"""Keeps three tasks running, whatever happens to this program: kill it, start it again, and it goes on.

MESOS_BROKER=amqp://guest:guest@localhost python examples/failover_framework.py DIRECTORY

The directory holds the framework's id, and the ids of its tasks: each is written down before its launch, so that the
next process can ask what became of it. ``mesos teardown`` ends it all.
"""

import secrets
import sys
from pathlib import Path

from mesos_py import Framework, FrameworkEndedError, Ledger, command_task

WANTED = 3
place = Path(sys.argv[1])
framework = Framework("keeper", failover_timeout_s=3600, state_file=place / "state")
tasks = Ledger(framework.saved(dict[str, str]))


@framework.on_registered
def registered(event):
    print("registered as", event.framework_id, "again" if event.again else "for the first time", flush=True)
    framework.reconcile(tasks.unheard)  # each is answered by an update, now or when its agent is back


@framework.on_offers
def place_tasks(offers):
    for offer in offers:
        if len(tasks) < WANTED and offer.resources.cpus >= 0.1 and offer.resources.mem >= 32:
            task = command_task(f"keeper-{secrets.token_hex(4)}", "sleep 100", cpus=0.1, mem=32)
            tasks.add(task.task_id, offer.hostname)
            framework.save(tasks.entries)
            framework.launch(offer, task, refuse_seconds=0)
        else:
            framework.decline(offer)


@framework.on_update
def heard(status):
    host = tasks.heard(status)
    print(status.task_id, status.state, "on", host, flush=True)
    framework.save(tasks.entries)


try:
    framework.run()
except FrameworkEndedError as ended:  # another instance, or an operator: not to be started again by a supervisor
    print(ended, file=sys.stderr)
    sys.exit(3)
