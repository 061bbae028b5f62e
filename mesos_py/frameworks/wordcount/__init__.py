"""The demonstration: counts the words of Python's own library on an embedded cluster, and checks the answer."""
