"""Joins two files by their first field, with MapReduce: python examples/mapreduce_join.py LEFT RIGHT OUTPUT

Lines are "key value"; mappers mark from which file a line came, so that the reducer can tell.
"""

import os
import sys

from mesos_py import MesosError
from mesos_py.frameworks.mapreduce.api import Job, Settings, run_job

MAP = r"""
import os, sys
side = "1" if os.environ["mapreduce_map_input_file"].endswith(os.environ["LEFT"]) else "2"
for line in sys.stdin:
    key, _, value = line.rstrip("\n").partition(" ")
    print(f"{key}\t{side}{value}")
"""
REDUCE = r"""
import itertools, sys
rows = (line.rstrip("\n").split("\t", 1) for line in sys.stdin)
for key, group in itertools.groupby(rows, key=lambda row: row[0]):
    values = sorted(value for _, value in group)
    left = [value[1:] for value in values if value[0] == "1"]
    right = [value[1:] for value in values if value[0] == "2"]
    for pair in itertools.product(left, right):
        print(key, *pair)
"""

if len(sys.argv) != 4 or "MESOS_BROKER" not in os.environ:
    sys.exit(f"{__doc__}\nMESOS_BROKER must be the URL of the cluster's broker.")
left, right, output = sys.argv[1:]
job = Job(
    name="join",
    inputs=(left, right),
    output=output,
    mapper=(sys.executable, "-c", MAP),
    reducer=(sys.executable, "-c", REDUCE),
    environment={"LEFT": os.path.basename(left)},
    reduces=2,
    cpus=0.5,
    map_mem=64,
    reduce_mem=64,
)
try:
    result = run_job(job, Settings(broker=os.environ["MESOS_BROKER"]))
except MesosError as error:
    sys.exit(str(error))
print(result.counters["Map-Reduce Framework"])
