"""No task was lost or begun twice while all daemons went to another release and back; prints how long it was quiet."""

from shared.hosts import done
from shared.loads import Record


def test_the_load_came_to_no_harm(hosts):
    Record(hosts).check()


def test_all_daemons_run_the_old_release_again(hosts):
    for host in hosts.values():
        for daemon in ("master", "agent"):
            words = done(host, f"tr '\\0' ' ' < /proc/$(systemctl show -P MainPID mesos-{daemon})/cmdline")
            assert words.split()[0] == done(host, "readlink -f /opt/mesos/current") + "/bin/python"
            assert "/releases/1.0.0/" not in words
