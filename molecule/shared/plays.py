"""Playbooks that the tests of scenarios run, at the scenario's hosts."""

import os
import re
import subprocess
from pathlib import Path
from typing import Final

__all__ = ["INVENTORY", "Play", "changes", "play"]

_TREE: Final = Path(__file__).resolve().parents[2]
INVENTORY: Final = Path(os.environ.get("MOLECULE_INVENTORY_FILE", "inventory"))
"""The scenario's."""


class Play:
    """A playbook that is at the scenario's hosts."""

    def __init__(self, playbook: str, *words: str, inventory: Path = INVENTORY) -> None:
        command = ["ansible-playbook", "-i", str(inventory), playbook, *words]
        plain = os.environ | {"ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
        self._process = subprocess.Popen(
            command,
            cwd=_TREE,
            env=plain,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._process.stdout is not None
        self._output = self._process.stdout
        self._said = ""

    def until(self, said: str) -> None:
        """Read until it says this."""
        while said not in self._said:
            line = self._output.readline()
            assert line, f"it ended: {self._said}"
            self._said += line

    def end(self) -> tuple[int, str]:
        """Its exit code, and all that it said, on one line."""
        self._said += self._output.read()
        print(self._said)
        return self._process.wait(), re.sub(r"\s+", " ", self._said)


def play(playbook: str, *words: str, inventory: Path = INVENTORY) -> tuple[int, str]:
    """Run it to its end: its exit code, and all that it said, on one line."""
    return Play(playbook, *words, inventory=inventory).end()


def changes(said: str) -> dict[str, int]:
    """How much was changed, by host, as the recap has it."""
    return {name: int(number) for name, number in re.findall(r"(\w+) : ok=\d+ changed=(\d+)", said)}
