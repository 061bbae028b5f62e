"""The HTTP API; it reads snapshots, never a core."""
