"""How fast it is: one command per figure, each with a baseline run beside it."""
