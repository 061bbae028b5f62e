"""A whole cluster in one thread, under virtual time and one seed: the real cores among an unreliable broker and disk.

``Cluster`` is the engine, for any workload; ``explore`` runs a seed's faults against it, checks the promises of
``docs/architecture.md`` after every step, and shrinks what fails. See ``docs/simulation.md``.
"""
