"""Says what to do about what the broker refuses: the one line in the log is to be enough for whoever mends it."""

from typing import Final

__all__ = ["advise", "advise_blocked"]

_LOGIN: Final = "check user and password in the broker URL, and that the broker has this user"
_BY_CODE: Final = {
    403: "give the user this permission, with rabbitmqctl set_permissions or set_topic_permissions",
    404: "whoever may declare it does so when connecting, the master first of all",
    405: "another connection holds it: end whoever that is",
    406: "something of this name has other properties: it is made anew where we may, else delete it",
    530: "create the virtual host and give the user permissions in it, or correct the broker URL",
}
_BLOCKED: Final = {
    "memory": "free memory there, or raise vm_memory_high_watermark",
    "disk": "free disk space there, or lower disk_free_limit",
}


def advise(code: int, text: str) -> str:
    """The broker's own words on a refusal, by their AMQP reply code, and what can be done."""
    hint = _LOGIN if code == 403 and "Login was refused" in text else _BY_CODE.get(code)
    return f"{text} ({hint})" if hint else text


def advise_blocked(reason: str) -> str:
    """Why the broker takes nothing, such as ``low on memory``, and what can be done."""
    hints = [hint for word, hint in _BLOCKED.items() if word in reason]
    return f"{reason or 'an alarm'} ({', or '.join(hints) or 'see its log'})"
