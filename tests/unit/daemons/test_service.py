"""How a daemon lives and ends."""

import gc
import json
import os
import signal
import socket
import stat
import threading

import pytest
import structlog

from mesos_py.daemons import service
from mesos_py.daemons.config import MasterConfig
from mesos_py.daemons.master import MasterDaemon
from mesos_py.daemons.service import EXIT_BROKEN, private_dir, run, story_file
from mesos_py.errors import ConfigError, InvariantError
from mesos_py.runtime.condition import Condition
from mesos_py.runtime.logs import get_log, set_level
from mesos_py.runtime.mailbox import Mailbox
from mesos_py.runtime.story import Story
from tests.support.systemd import Manager

CONFIG = MasterConfig(log_format="json")


@pytest.fixture(autouse=True)
def tidy():
    """What ``run`` sets for its process."""
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.unfreeze()
    structlog.reset_defaults()


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


class Daemon:
    """Does nothing until it is stopped; ``on_start`` is what a test wants of it."""

    failure = ""
    fares = Condition(is_ready=True, text="well")

    def __init__(self, loop, on_start=lambda _daemon: None):
        self.loop = loop
        self.on_start = on_start
        self.stops = 0
        self.words = 0

    def start(self):
        self.on_start(self)

    def condition(self):
        return self.fares

    def reload(self, config):
        self.config = config

    def stop(self, on_stopped):
        self.stops += 1
        on_stopped()

    def last_words(self):
        self.words += 1


def signal_soon(number):
    return threading.Timer(0.05, lambda: os.kill(os.getpid(), number))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well_even_if_nothing_else_happens(number, capsys):
    made = []
    before = signal.getsignal(number)

    def make(loop):
        made.append(Daemon(loop, lambda _daemon: signal_soon(number).start()))
        return made[0]

    assert run(CONFIG, make) == 0
    assert (made[0].stops, made[0].words) == (1, 0)
    assert signal.getsignal(number) is before
    assert {"event": "stopping", "signal": number.name}.items() <= lines(capsys)[-1].items()


def test_another_signal_can_stop_it_otherwise():
    ways = []

    def leave(daemon, on_stopped):
        ways.append(daemon.stops)
        on_stopped()

    before = signal.getsignal(signal.SIGUSR1)
    make = lambda loop: Daemon(loop, lambda _daemon: signal_soon(signal.SIGUSR1).start())  # noqa: E731
    assert run(CONFIG, make, {signal.SIGUSR1: leave}) == 0
    assert ways == [0]
    assert signal.getsignal(signal.SIGUSR1) is before


def test_whoever_is_impatient_stops_it_only_once(capsys):
    made = []

    class Slow(Daemon):
        def stop(self, on_stopped):
            self.stops += 1
            os.kill(os.getpid(), signal.SIGINT)  # before it is over: a later one would hit another test
            os.kill(os.getpid(), signal.SIGTERM)
            self.loop.post(lambda: self.loop.post(lambda: self.loop.post(on_stopped)))

    def make(loop):
        made.append(Slow(loop, lambda _daemon: signal_soon(signal.SIGINT).start()))
        return made[0]

    assert run(CONFIG, make) == 0
    assert made[0].stops == 1


def test_what_stopped_by_itself_says_why(capsys):
    def give_up(daemon):
        daemon.failure = "the master refused this agent"
        daemon.loop.stop()

    assert run(CONFIG, lambda loop: Daemon(loop, give_up)) == 1
    assert {"event": "stopped", "why": "the master refused this agent"}.items() <= lines(capsys)[-1].items()


@pytest.mark.parametrize("when", ["made", "started"])
def test_a_configuration_that_cannot_be_used_is_for_the_command_to_tell(when):
    def refuse(_):
        raise ConfigError("no")

    before = signal.getsignal(signal.SIGTERM)
    make = refuse if when == "made" else (lambda loop: Daemon(loop, refuse))
    with pytest.raises(ConfigError, match="no"):
        run(CONFIG, make)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("wrong", [{"log_level": "loud"}, {"log_format": "xml"}])
def test_a_bad_log_level_is_a_bad_configuration(wrong):
    with pytest.raises(ConfigError, match="is none of"):
        run(MasterConfig(**wrong), Daemon)


class Broken:
    """A daemon around a core that breaks its own rules at the second event."""

    failure = ""

    def __init__(self, loop, directory):
        self.directory = directory
        self.count = 0
        self.story = Story(self.check)
        self.mailbox = Mailbox(loop, self, lambda effect: None, "tick", self.story.watch)

    def handle(self, event, now):
        self.count += 1
        return [f"effect of {event}"]

    def next_deadline(self):
        return None

    def check(self):
        if self.count == 2:
            raise InvariantError("cpus were given away twice")

    def start(self):
        self.mailbox.start()
        self.mailbox.put("the first event")
        self.mailbox.put("the second event")

    def condition(self):
        return Condition(is_ready=True, text="well")

    def stop(self, on_stopped):
        on_stopped()

    def last_words(self):
        self.story.dump(story_file(self.directory, "master"))


def test_a_core_that_breaks_its_rules_leaves_its_story(tmp_path, capsys):
    assert run(CONFIG, lambda loop: Broken(loop, tmp_path)) == EXIT_BROKEN == 70
    [file] = tmp_path.glob("story-master-*.txt")
    told = file.read_text()
    assert told.index("the first event") < told.index("-> 'effect of the first event'") < told.index("the second")
    assert file.stat().st_mode & 0o777 == 0o600
    [line] = lines(capsys)
    assert (line["event"], line["exit_code"]) == ("broken", 70)
    assert "cpus were given away twice" in line["exception"]


def test_what_breaks_before_there_is_a_daemon_is_told_all_the_same(capsys):
    def make(loop):
        raise InvariantError("nothing fits together")

    assert run(CONFIG, make) == EXIT_BROKEN
    [line] = lines(capsys)
    assert "nothing fits together" in line["exception"]


# Reloading and systemd


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    """What is told to systemd; it watches for 30 s."""
    with Manager(tmp_path / "notify") as manager:
        monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
        monkeypatch.setenv("WATCHDOG_USEC", "30000000")
        yield manager


def at_next_turn(loop, do):
    def turned():
        loop.not_at_turn_end(turned)
        loop.post(do)

    loop.at_turn_end(turned)


def reload_and_stop(daemon):
    """HUP, and TERM once that is done."""
    os.kill(os.getpid(), signal.SIGHUP)
    daemon.loop.post(lambda: at_next_turn(daemon.loop, lambda: os.kill(os.getpid(), signal.SIGTERM)))


def test_a_hangup_has_it_go_by_the_new_configuration(capsys):
    made = []
    new = MasterConfig(log_format="json", log_level="debug")

    def make(loop):
        log = get_log()  # made before, and yet it goes by the new level
        made.append(Daemon(loop, lambda daemon: (log.debug("unheard"), reload_and_stop(daemon))))
        made[0].stop = lambda on_stopped: (log.debug("heard"), on_stopped())
        return made[0]

    try:
        assert run(CONFIG, make, reread=lambda: new) == 0
    finally:
        set_level("info")
    assert made[0].config is new
    assert [line["event"] for line in lines(capsys)] == ["reloaded", "stopping", "heard"]


def test_a_configuration_that_cannot_be_used_changes_nothing(capsys):
    made = []

    def reread():
        raise ConfigError("log_level: nobody knows 'loud'")

    def make(loop):
        made.append(Daemon(loop, reload_and_stop))
        return made[0]

    assert run(CONFIG, make, reread=reread) == 0
    assert not hasattr(made[0], "config")
    first = lines(capsys)[0]
    assert (first["event"], first["why"]) == ("not reloaded", "log_level: nobody knows 'loud'")


def test_systemd_is_told_of_a_whole_life(systemd, capsys):
    def live(daemon):
        at_next_turn(daemon.loop, lambda: reload_and_stop(daemon))

    assert run(CONFIG, lambda loop: Daemon(loop, live), reread=lambda: CONFIG) == 0
    told = systemd.told()
    watchdog = {"WATCHDOG": "1"}
    assert watchdog in told
    ready, reloading, *others = [each for each in told if each != watchdog]
    assert ready == {"STATUS": "well", "READY": "1"}
    assert reloading.keys() == {"RELOADING", "MONOTONIC_USEC"}
    assert others == [{"STATUS": "well", "READY": "1"}, {"STOPPING": "1", "STATUS": "stopping after SIGTERM"}]
    assert "NOTIFY_SOCKET" not in os.environ  # it is not for what we start


# Directories


@pytest.fixture
def umask():
    before = os.umask(0o077)
    yield
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
def test_a_directory_has_its_mode_whatever_the_umask_is(tmp_path):
    assert mode(private_dir(str(tmp_path / "a" / "master"))) == 0o700
    assert mode(private_dir(str(tmp_path / "a" / "agent"), 0o711)) == 0o711
    assert mode(tmp_path / "a") == 0o755  # what stands above must let others pass


def test_a_directory_that_is_there_stays_as_it_is(tmp_path):
    (tmp_path / "d").mkdir(mode=0o750)
    assert mode(private_dir(str(tmp_path / "d"), 0o711)) == 0o750


def test_a_directory_that_cannot_be_is_a_bad_configuration(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot make the directory .*: Not a directory"):
        private_dir(str(tmp_path / "file"))
    with pytest.raises(ConfigError, match=r"cannot make the directory .*: Not a directory"):
        private_dir(str(tmp_path / "file" / "below"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_of_others_is_a_bad_configuration(tmp_path):
    (tmp_path / "d").mkdir(mode=0o500)
    with pytest.raises(ConfigError, match="cannot write to"):
        private_dir(str(tmp_path / "d"))


def test_stories_of_one_directory_are_told_apart(tmp_path):
    assert story_file(tmp_path, "agent").name.startswith("story-agent-")
    assert service.EXIT_CONFIG == 78


@pytest.mark.integration
def test_the_brokers_password_is_in_no_log(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    config = MasterConfig(
        broker=f"amqp://mesos:s3cret@127.0.0.1:{port}/",
        http_port=0,
        work_dir=str(tmp_path / "w"),
        log_format="json",
        log_level="debug",
    )

    def make(loop):
        daemon = MasterDaemon(config, loop)
        listener = daemon._broker
        lost = listener.disconnected

        def disconnected(reason):
            lost(reason)
            daemon.last_words()
            os.kill(os.getpid(), signal.SIGTERM)

        listener.disconnected = disconnected
        return daemon

    assert run(config, make) == 0
    said = capsys.readouterr().err
    [story] = (tmp_path / "w").glob("story-*")
    assert "broker lost" in said
    assert "s3cret" not in said + story.read_text()
