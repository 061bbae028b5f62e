"""The same without callbacks: runs one task and waits for it.

MESOS_BROKER=amqp://guest:guest@localhost python examples/hello_script.py
"""

from mesos_py import Framework, command_task

with Framework("hello-script") as framework:
    status = framework.run_task(command_task("hello", "echo hello", cpus=0.1, mem=32), timeout=60)
    print(status.state, status.exit_code)
