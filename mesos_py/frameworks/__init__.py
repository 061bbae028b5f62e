"""The frameworks we ship, each on the public library only."""
