"""A batch system: PBS job scripts run unchanged, MPI programs over several agents among them.

::

    qsub qstat qdel qhold qrls pbsnodes        the commands (mesos_py.cli.pbs) read options and directives (directives)
          │ unix socket (wire)
    server ── core ── planning                 which job starts when and where; state in one file (store)
          │ tasks, one per job and agent
    node ── control                            our executor: the first one runs the script, the others wait
          │ TCP between the job's nodes        for its launcher (tmrsh) to start processes on them
"""
