"""MapReduce: the contract of Hadoop Streaming, on offers. ``run_job(Job(...), Settings(broker=...))`` from Python."""

from mesos_py.frameworks.mapreduce.framework import JobResult, Settings, Watcher, run_job
from mesos_py.frameworks.mapreduce.job import Job, KeyRules, Shipped, SortKey
from mesos_py.frameworks.mapreduce.streaming import parse_streaming

__all__ = ["Job", "JobResult", "KeyRules", "Settings", "Shipped", "SortKey", "Watcher", "parse_streaming", "run_job"]
