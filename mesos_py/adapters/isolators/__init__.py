"""Isolation of containers, one kind in each module; :mod:`.base` has what they have in common."""
