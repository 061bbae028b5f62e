"""What crosses the wire, and the one codec for it."""
