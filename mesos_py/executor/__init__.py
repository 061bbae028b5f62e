"""The executor library's decisions (pure)."""
