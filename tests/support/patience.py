"""How much longer than usual things may take here, as where the processor is emulated."""

import os

PATIENCE = float(os.environ.get("MESOS_TEST_PATIENCE", "1"))
"""What waits for something to happen waits so many times as long."""
