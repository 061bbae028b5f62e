"""What programs in Python run jobs with.

>>> job = Job(name="words", inputs=("books/*.txt",), output="counts", mapper=("python3", "map.py"),
...           reducer=("uniq", "-c"), files=(Shipped(path="map.py", name="map.py"),))
>>> run_job(job, Settings(broker="amqp://...")).counters
"""

from mesos_py.frameworks.mapreduce.framework import JobResult, Settings, Watcher, run_job
from mesos_py.frameworks.mapreduce.job import Job, KeyRules, Shipped, SortKey
from mesos_py.frameworks.mapreduce.streaming import parse_streaming

__all__ = ["Job", "JobResult", "KeyRules", "Settings", "Shipped", "SortKey", "Watcher", "parse_streaming", "run_job"]
