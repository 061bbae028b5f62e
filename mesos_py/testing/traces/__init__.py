"""What operators ask of a simulated cluster: their own agents, frameworks and tasks, and how these fare."""
