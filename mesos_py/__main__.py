"""`python -m mesos_py` is the `mesos` command."""

from mesos_py.cli.main import main

if __name__ == "__main__":
    main()
