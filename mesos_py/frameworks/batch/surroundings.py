"""What a job's processes find on each node: variables, the node file, and programs that start others.

All files are in the sandbox of our executor. MPICH's mpiexec (Hydra) and that of Open MPI start processes on other
hosts with a program like rsh; by these variables that is ours.
"""

import json
import os
import pwd
import sys
from pathlib import Path
from typing import Final

from mesos_py.frameworks.batch.order import NodeOrder
from mesos_py.frameworks.batch.tmrsh import JOB

__all__ = ["BINARIES", "home", "prepare"]

BINARIES: Final = "bin"
"""Directory in the sandbox, to be the first in PATH."""


def home() -> str:
    """Of the user as whom we run, if it can be entered; else the sandbox."""
    directory = pwd.getpwuid(os.getuid()).pw_dir
    return directory if os.access(directory, os.X_OK) else os.environ["MESOS_SANDBOX"]


def prepare(order: NodeOrder, sandbox: Path) -> dict[str, str]:
    """Make the files; the variables that are to be set, whatever else is."""
    binaries = sandbox / BINARIES
    binaries.mkdir(exist_ok=True)
    for name, module in (("pbs_tmrsh", "tmrsh"), ("pbsdsh", "dsh")):
        program = binaries / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m mesos_py.frameworks.batch.{module} "$@"\n')
        program.chmod(0o755)
    launcher = binaries / "pbs_tmrsh"
    job_file = sandbox / "job.json"
    job_file.touch(mode=0o600)
    peers = [{name: getattr(peer, name) for name in peer.__struct_fields__} for peer in order.peers]
    job_file.write_text(json.dumps({"job_id": order.job_id, "secret": order.secret, "peers": peers}))
    node_file = sandbox / "nodefile"
    node_file.write_text("".join(f"{peer.hostname}\n" * peer.slots for peer in order.peers))
    host_file = sandbox / "hostfile"  # of Open MPI, which takes a host named once to have a slot for each core
    host_file.write_text("".join(f"{peer.hostname} slots={peer.slots}\n" for peer in order.peers))
    return {
        JOB: str(job_file),
        "MESOS_SANDBOX": str(sandbox),
        "PBS_NODEFILE": str(node_file),
        "PBS_NODENUM": str(order.place),
        "HYDRA_LAUNCHER": "rsh",
        "HYDRA_LAUNCHER_EXEC": str(launcher),
        "HYDRA_HOST_FILE": str(node_file),
        "OMPI_MCA_plm": "rsh",
        "OMPI_MCA_plm_rsh_agent": str(launcher),
        "OMPI_MCA_orte_default_hostfile": str(host_file),
        "OMPI_MCA_orte_leave_session_attached": "1",
        "OMPI_MCA_ras": "^tm",
        "PRTE_MCA_plm": "ssh",
        "PRTE_MCA_plm_ssh_agent": str(launcher),
        "PRTE_MCA_prte_default_hostfile": str(host_file),
    }
