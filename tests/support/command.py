"""The `mesos` command in the test's own process."""

import pytest

from mesos_py.cli.main import main


class Said:
    """What a command said and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err


@pytest.fixture
def mesos(capfd, monkeypatch):
    """Runs `mesos` with these words, as a shell would."""
    for name in ("MESOS_MASTER", "MESOS_BROKER", "MESOS_CONFIG", "MESOS_DEBUG"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> Said:
        with pytest.raises(SystemExit) as end:
            main(list(words))
        said = capfd.readouterr()
        assert "Traceback" not in said.err
        return Said(end.value.code, said.out, said.err)

    return run
