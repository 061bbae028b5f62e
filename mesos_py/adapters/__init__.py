"""Each implements one port and imports one library."""
