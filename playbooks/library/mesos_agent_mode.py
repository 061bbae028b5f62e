#!/usr/bin/python
"""Ansible module: brings an agent into a mode by the HTTP API of the masters, and waits until it is there."""

import json
import time
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

DOCUMENTATION = """
module: mesos_agent_mode
short_description: Drain, deactivate, reactivate or give up an agent of mesos_py
description:
  - Asks the masters in turn, and follows to the one that leads.
  - Does nothing if the agent is in that mode already; draining, it waits on.
options:
  masters: {type: list, elements: str, required: true, description: URLs of the masters' HTTP API.}
  token: {type: str, description: What proves who asks.}
  ca_path: {type: path, description: CAs that are trusted.}
  node:
    type: str
    required: true
    description: Id, name or host name of the agent. Whatever of that host name is unreachable is given up with it.
  state:
    type: str
    required: true
    choices: [active, deactivated, drained, gone, present]
    description: The mode it is to be in; present waits until the masters know it and can reach it.
  deadline_s: {type: float, description: After so many seconds what is left is killed without grace.}
  max_grace_period_s: {type: float, description: No task gets longer than this to end.}
  timeout_s: {type: float, default: 900, description: How long to wait.}
author: [the authors of mesos_py]
"""

EXAMPLES = """
- name: Empty the agent
  mesos_agent_mode:
    masters: [https://m1:5050]
    token: "{{ token }}"
    node: n1
    state: drained
"""

RETURN = """
mode: {type: str, returned: always, description: Mode before.}
agent_id: {type: str, returned: when it is known, description: Id of the agent.}
tasks: {type: int, returned: when it is known, description: Tasks it had that had not ended.}
"""

_WANTED: Final = {"active": "ACTIVE", "deactivated": "DEACTIVATED", "drained": "DRAINED"}
_PAUSE_S: Final = 1.0
_HOPS: Final = 3


class RefusedError(Exception):
    """What a master said no to; ``code`` is that of HTTP."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


class Masters:
    """Those who are asked; whoever leads is asked first from then on."""

    def __init__(self, urls: list[str], token: str | None, ca_path: str | None) -> None:
        self._urls = [url.rstrip("/") for url in urls]
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._ca_path = ca_path

    def ask(self, method: str, path: str) -> Any:
        """The answer of the leader. Raises RefusedError, or OSError if nobody answers."""
        trouble: Exception = OSError("there is no master to ask")
        for url in list(self._urls):
            try:
                return self._follow(method, url, path)
            except RefusedError as refused:
                if refused.code != 503:
                    raise
                trouble = refused
            except (URLError, OSError) as error:
                trouble = OSError(f"{url}: {getattr(error, 'reason', error)}")
        raise trouble

    def _follow(self, method: str, url: str, path: str) -> Any:
        for _ in range(_HOPS):
            try:
                answer = open_url(
                    url + path,
                    method=method,
                    headers=self._headers,
                    ca_path=self._ca_path,
                    follow_redirects="none",
                    timeout=30,
                    use_proxy=False,
                )
                self._urls.sort(key=lambda each: each != url)
                return json.loads(answer.read())
            except HTTPError as error:
                if error.code == 307:
                    parts = urlsplit(error.headers["Location"])
                    url = f"{parts.scheme}://{parts.netloc}"
                    continue
                raise RefusedError(error.code, _reason(error)) from None
        raise RefusedError(503, "the masters send each other's callers on: there is no leader yet")


def _reason(error: HTTPError) -> str:
    body = error.read().decode(errors="replace")
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body[:200] or f"HTTP {error.code}"


def find(masters: Masters, node: str, state: str) -> list[dict[str, Any]]:
    """The agent of this id, name or host name, if it is there; if it is to be given up, what is unreachable, too."""
    statuses = ["connected", "disconnected", *(["unreachable"] if state == "gone" else [])]
    query = urlencode({"node": node, "status": statuses}, doseq=True)
    found: list[dict[str, Any]] = masters.ask("GET", f"/agents?{query}")["items"]
    there = [each["agent_id"] for each in found if each["status"] != "unreachable"]
    if len(there) > 1:
        raise RefusedError(409, f"several agents are called {node}: {', '.join(there)}")
    return found


def order(state: str, agent_id: str, mode: str, options: dict[str, Any]) -> str | None:
    """Path of the request that leads from this mode to that state; None if there is nothing to do but to wait."""
    if state == "drained" and mode == "DRAINING":
        return None
    base = f"/agents/{quote(agent_id, safe='')}"
    match state:
        case "drained":
            query = urlencode({name: options[name] for name in options if options[name] is not None})
            return f"{base}/drain?{query}".rstrip("?") if mode != "DRAINED" else None
        case "gone":
            return f"{base}/gone"
        case "active":
            return f"{base}/reactivate" if mode != "ACTIVE" else None
        case "deactivated":
            return f"{base}/deactivate" if mode == "ACTIVE" else None
        case _:
            return None


def wait(masters: Masters, node: str, state: str, deadline: float) -> str:
    """Empty once the agent is where it is to be, or what is in the way when the time is over."""
    trouble = ""
    while True:
        try:
            agents = find(masters, node, state)
            if state == "gone" and not agents:
                return ""
            if agents and state == "present":
                return ""
            if agents and agents[0]["mode"] == _WANTED.get(state):
                return ""
            trouble = f"it is {agents[0]['mode']}" if agents else "the masters do not know it"
        except (RefusedError, OSError) as error:
            trouble = str(error)
        if time.monotonic() > deadline:
            return trouble
        time.sleep(_PAUSE_S)


def run(module: AnsibleModule, masters: Masters) -> dict[str, Any]:
    """Do what the parameters say; the result for Ansible."""
    wish = module.params
    node, state = wish["node"], wish["state"]
    deadline = time.monotonic() + wish["timeout_s"]
    agents = find(masters, node, state)
    if not agents:
        if state == "present" and not module.check_mode:
            if trouble := wait(masters, node, state, deadline):
                raise RefusedError(408, trouble)
            return {"changed": False, "mode": "ACTIVE"}
        if state in ("gone", "present"):
            return {"changed": False, "mode": "GONE"}
        raise RefusedError(404, f"no agent {node} is registered")
    mode = agents[0]["mode"]
    options = {name: wish[name] for name in ("deadline_s", "max_grace_period_s")}
    paths = [path for each in agents if (path := order(state, each["agent_id"], each["mode"], options))]
    waits = state == "drained" and mode == "DRAINING"
    known = {"mode": mode, "agent_id": agents[0]["agent_id"], "tasks": sum(each["tasks"] for each in agents)}
    result = known | {"changed": bool(paths), "diff": {"before": f"{mode}\n", "after": f"{state.upper()}\n"}}
    if module.check_mode or not (paths or waits):
        return result
    for path in paths:
        masters.ask("POST", path)
    if trouble := wait(masters, node, state, deadline):
        raise RefusedError(408, f"{node} is not {state} after {wish['timeout_s']:g} s: {trouble}")
    return result


def main() -> None:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            "masters": {"type": "list", "elements": "str", "required": True},
            "token": {"type": "str", "no_log": True},
            "ca_path": {"type": "path"},
            "node": {"type": "str", "required": True},
            "state": {
                "type": "str",
                "required": True,
                "choices": ["active", "deactivated", "drained", "gone", "present"],
            },
            "deadline_s": {"type": "float"},
            "max_grace_period_s": {"type": "float"},
            "timeout_s": {"type": "float", "default": 900.0},
        },
        supports_check_mode=True,
    )
    masters = Masters(module.params["masters"], module.params["token"], module.params["ca_path"])
    try:
        result = run(module, masters)
    except (RefusedError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
