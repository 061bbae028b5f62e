"""Control groups: one directory per container in each hierarchy; :mod:`.base` says what can be done with them."""
