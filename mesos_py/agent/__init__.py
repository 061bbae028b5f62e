"""The agent's decisions (pure)."""
