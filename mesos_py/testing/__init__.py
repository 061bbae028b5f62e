"""Fakes, builders and scenarios, shipped to users too."""
