"""A program of its own, of the standard library only: it starts containers for an agent, and outlives it.

It imports nothing of ours but itself, and this package imports nothing: so it is small and quick to fork. ``main.py``
is what it does, ``setup.py`` what a fresh process does to become a container, ``system.py`` how the kernel is asked.
"""
