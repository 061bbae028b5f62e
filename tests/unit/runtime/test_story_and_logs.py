"""What is left to read: the story of a core, and the log."""

import io
import json

import pytest
import structlog

from mesos_py.errors import ConfigError, InvariantError
from mesos_py.runtime.logs import get_log, set_up
from mesos_py.runtime.story import Story


@pytest.fixture(autouse=True)
def tidy():
    yield
    structlog.reset_defaults()


def test_a_story_is_told_oldest_first():
    story = Story()
    story.watch("one", ["a", "b"], 1.5)
    story.watch("two", [], 2.0)
    assert story.text() == "1.500000 'one'\n    -> 'a'\n    -> 'b'\n2.000000 'two'\n"


def test_a_story_has_an_end():
    story = Story(length=2)
    for number in range(5):
        story.watch(number, [], 0.0)
    assert story.text() == "0.000000 3\n0.000000 4\n"


def test_what_breaks_a_rule_is_part_of_the_story():
    def check():
        raise InvariantError("broken")

    story = Story(check)
    with pytest.raises(InvariantError):
        story.watch("the last straw", [], 0.0)
    assert "the last straw" in story.text()


def test_a_story_is_for_us_alone(tmp_path):
    story = Story()
    story.watch("secret ☃", [], 0.0)
    story.dump(tmp_path / "story.txt")
    assert (tmp_path / "story.txt").read_text(encoding="utf-8") == story.text()
    assert (tmp_path / "story.txt").stat().st_mode & 0o777 == 0o600


def logged(style, level="info"):
    stream = io.StringIO()
    set_up(level, style, stream)
    log = get_log(role="agent", agent="a1")
    log.debug("whispered")
    log.info("told", task_id="t1")
    log.warning("shouted")
    return stream.getvalue()


@pytest.mark.parametrize("style", ["json", "auto"])
def test_away_from_a_terminal_each_line_is_json_with_its_ids(style):
    told, shouted = map(json.loads, logged(style).splitlines())
    assert {"event": "told", "level": "info", "task_id": "t1", "role": "agent", "agent": "a1"}.items() <= told.items()
    assert told["timestamp"].endswith("Z")
    assert (shouted["level"], shouted["agent"]) == ("warning", "a1")


def test_on_a_console_it_is_for_people():
    text = logged("console")
    assert "told" in text
    assert "task_id=t1" in text
    assert "\x1b" not in text  # no terminal, no colours


@pytest.mark.parametrize(("level", "lines"), [("debug", 3), ("info", 2), ("warning", 1), ("error", 0)])
def test_the_level_is_kept(level, lines):
    assert len(logged("json", level).splitlines()) == lines


@pytest.mark.parametrize("level", ["", "INFO", "loud", "10"])
def test_a_level_that_is_none_is_told_with_those_there_are(level):
    with pytest.raises(ConfigError, match=f"log_level '{level}' is none of debug, info, warning, error"):
        set_up(level)


def test_a_format_that_is_none_is_told_with_those_there_are():
    with pytest.raises(ConfigError, match="log_format 'xml' is none of auto, console, json"):
        set_up("info", "xml")
