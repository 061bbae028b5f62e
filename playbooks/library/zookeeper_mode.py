#!/usr/bin/python
"""Ansible module: asks a ZooKeeper server what it is in its ensemble, and may wait until it serves."""

import re
import socket
import time
from typing import Final

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: zookeeper_mode
short_description: Ask a ZooKeeper server whether it leads, follows, stands alone or does not serve
options:
  host: {type: str, default: 127.0.0.1, description: Where it is.}
  port: {type: int, default: 2181, description: Its port for clients.}
  timeout_s: {type: float, default: 0, description: How long to wait until it serves.}
author: [the authors of mesos_py]
"""

EXAMPLES = """
- name: Wait until it serves
  zookeeper_mode:
    timeout_s: 60
"""

RETURN = """
mode: {type: str, returned: always, description: "leader, follower, standalone, or empty if it does not serve."}
"""

_PAUSE_S: Final = 1.0


def mode_of(host: str, port: int) -> tuple[str, str]:
    """What it is, or else what is in the way."""
    try:
        with socket.create_connection((host, port), timeout=10) as connection:
            connection.sendall(b"srvr")
            answer = b""
            while more := connection.recv(4096):
                answer += more
    except OSError as error:
        return "", str(error)
    text = answer.decode(errors="replace")
    found = re.search(r"^Mode: (\w+)$", text, re.MULTILINE)
    return (found[1], "") if found else ("", text.strip() or "it closes the connection")


def main() -> None:
    """The module."""
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "default": "127.0.0.1"},
            "port": {"type": "int", "default": 2181},
            "timeout_s": {"type": "float", "default": 0.0},
        },
        supports_check_mode=True,
    )
    wish = module.params
    deadline = time.monotonic() + wish["timeout_s"]
    while True:
        mode, trouble = mode_of(wish["host"], wish["port"])
        if mode or time.monotonic() >= deadline:
            break
        time.sleep(_PAUSE_S)
    if not mode and wish["timeout_s"]:
        module.fail_json(msg=f"ZooKeeper does not serve after {wish['timeout_s']:g} s: {trouble}", mode="")
    module.exit_json(changed=False, mode=mode)


if __name__ == "__main__":
    main()
