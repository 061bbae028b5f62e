"""Virtual machines with Debian 12, for tests that need systemd and cgroup v2; `python -m tools.vm` runs them."""
