"""What a load of tasks (load.py) has left on the hosts, read for the tests of the scenarios that work under one."""

import json
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

from shared.hosts import done

__all__ = ["Record"]

_LONGEST_S: Final = 60.0
"""Without offers, on emulated machines, while leaders change."""
_MOST_DROPPED: Final = 0.05
"""Of all launches."""


class Record:
    """What the framework asked for and heard, and what its tasks did."""

    def __init__(self, hosts: Mapping[str, Any]) -> None:
        first, *_ = hosts.values()
        self.journal = [json.loads(line) for line in done(first, "cat /srv/load/journal").splitlines()]
        lines = [line for host in hosts.values() for line in done(host, "cat /srv/load/effects").splitlines()]
        self._effects = Counter(tuple(line.split()) for line in lines)
        self._long = {f"long-{name}" for name in hosts}

    def check(self) -> None:
        """Nothing of it was lost or begun twice, and offers came again soon; prints how soon."""
        self._check_tasks()
        times = [line["at"] for line in self._of("offers")]
        longest = max(later - earlier for earlier, later in pairwise(times))
        changes, whole = len(self._of("disconnected")), times[-1] - times[0]
        print(f"\nlongest time without offers {longest:.1f} s; the leader changed {changes} times in {whole:.0f} s")
        assert longest < _LONGEST_S

    def _check_tasks(self) -> None:
        """Each was begun once, and all ended well but the long ones, which were killed at the end.

        What was launched at the moment at which the leader or an agent was restarted may be told as DROPPED; then it
        was never begun.
        """
        tasks = [line["task_id"] for line in self._of("launch")]
        assert len(tasks) == len(set(tasks)) > 20
        last = {line["task_id"]: line for line in self._of("update")}
        dropped = {task_id for task_id in tasks if task_id not in self._long and self._is_dropped(last.get(task_id))}
        wanted = {task_id: "KILLED" if task_id in self._long else "FINISHED" for task_id in {*tasks} - dropped}
        odd = {
            task_id: last.get(task_id) for task_id in wanted if last.get(task_id, {}).get("state") != wanted[task_id]
        }
        assert not odd, f"these ended otherwise: {odd}"
        begun = {task_id: self._effects["begun", task_id] for task_id in tasks}
        assert begun == {task_id: int(task_id in wanted) for task_id in tasks}
        assert {task_id for task_id in wanted if self._effects["ended", task_id] != 1} == self._long
        print(f"\ntasks launched {len(tasks)}, begun {sum(begun.values())}, lost 0, restarted 0")
        print(f"told as dropped, and never begun: {len(dropped)}")
        assert len(dropped) <= _MOST_DROPPED * len(tasks)

    def _is_dropped(self, update: dict[str, Any] | None) -> bool:
        """As may be when its offer had been taken back, or a leader has just come."""
        if update is None or update["state"] != "DROPPED":
            return False
        if update["reason"] == "INVALID_OFFERS":
            return True
        return any(0 <= update["at"] - line["at"] < _LONGEST_S for line in self._of("registered") if line["again"])

    def _of(self, what: str) -> list[dict[str, Any]]:
        return [line for line in self.journal if line["what"] == what]
