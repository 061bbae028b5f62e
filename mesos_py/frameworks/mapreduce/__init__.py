"""MapReduce: the contract of Hadoop Streaming, on offers; ``mesos_py.frameworks.mapreduce.api`` is for Python."""
