"""Virtual machines with Debian 12, for tests that need systemd and cgroup v2; `python -m vm` runs them."""
