"""Which agents a framework never wants to see, whatever is free there: its hosts and attribute constraints.

Each filter is evaluated once per agent, and less where it can be: constraints once per **kind** of agent (all agents
with the same attributes), host lists by looking the host up. What comes out is kept as bit masks, so that allocation
asks with a few operations on integers. Patterns are RE2: matching takes linear time, so that no pattern a stranger
sends can stall the master.
"""

from collections.abc import Callable
from typing import Any, Final, assert_never

import re2

from mesos_py.types.attributes import attribute_text
from mesos_py.types.infos import AgentInfo, AttributeConstraint, OfferFilter, Operator

__all__ = ["HOSTNAME", "MAX_CONSTRAINTS", "OfferFilters", "Site", "why_not_filter"]

HOSTNAME: Final = "@hostname"
"""In a constraint: the agent's host name instead of an attribute."""

MAX_CONSTRAINTS: Final = 100
"""In one filter."""

_MAX_PATTERN_BYTES = 64 * 1024
"""That a compiled pattern may take."""

_Test = Callable[[str | None], bool]


def why_not_filter(offer_filter: OfferFilter) -> str | None:
    """Why a filter cannot be used, in words for the one who sent it, or None."""
    if len(offer_filter.constraints) > MAX_CONSTRAINTS:
        return f"a filter has at most {MAX_CONSTRAINTS} constraints, this one {len(offer_filter.constraints)}"
    for constraint in offer_filter.constraints:
        if not constraint.attribute:
            return "a constraint names no attribute"
        if constraint.operator in (Operator.MATCHES, Operator.NOT_MATCHES):
            pattern = _compiled(constraint.value)
            if isinstance(pattern, str):
                return f"the pattern {constraint.value!r:.100} for {constraint.attribute!r:.100} is none: {pattern}"
    if offer_filter.least.has_reservations:
        return f"least resources are given unreserved, not as {offer_filter.least}"
    return None


class _Kind:
    """All agents with the same attributes."""

    __slots__ = ("refusing", "sites", "texts")

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts
        self.sites = 0
        self.refusing = 0
        """The clients whose constraints on attributes these agents fail."""


class Site:
    """What filters see of one agent."""

    __slots__ = ("hostname", "kind", "refusing")

    def __init__(self, hostname: str, kind: _Kind) -> None:
        self.hostname = hostname
        self.kind = kind
        self.refusing = 0
        """The clients whose constraints on the host name this agent fails."""


class _Rule:
    """A filter made ready."""

    __slots__ = ("hosts", "of_hostname", "of_kind")

    def __init__(self, offer_filter: OfferFilter) -> None:
        tests = [(constraint.attribute, _test(constraint)) for constraint in offer_filter.constraints]
        self.hosts = None if offer_filter.hosts is None else frozenset(offer_filter.hosts)
        self.of_hostname = [test for attribute, test in tests if attribute == HOSTNAME]
        self.of_kind = [(attribute, test) for attribute, test in tests if attribute != HOSTNAME]

    def refuses_hostname(self, hostname: str) -> bool:
        return not all(test(hostname) for test in self.of_hostname)

    def refuses_kind(self, kind: _Kind) -> bool:
        return not all(test(kind.texts.get(attribute)) for attribute, test in self.of_kind)


class OfferFilters:
    """The filters of all clients, known by their masks, over all agents."""

    def __init__(self) -> None:
        self._rules: dict[int, _Rule] = {}
        self._sites: dict[Site, None] = {}
        self._kinds: dict[tuple[tuple[str, str], ...], _Kind] = {}
        self._choosy = 0
        """The clients that accept only certain hosts."""
        self._accepting: dict[str, int] = {}
        """The choosy clients that accept a host."""

    def refusing(self, site: Site) -> int:
        """The clients whose filter refuses this agent."""
        refusing = site.refusing | site.kind.refusing
        if self._choosy:
            refusing |= self._choosy & ~self._accepting.get(site.hostname, 0)
        return refusing

    def add_client(self, mask: int, offer_filter: OfferFilter) -> None:
        """Heed a client's filter from now on."""
        rule = self._rules[mask] = _Rule(offer_filter)
        if rule.hosts is not None:
            self._choosy |= mask
            for host in rule.hosts:
                self._accepting[host] = self._accepting.get(host, 0) | mask
        if rule.of_kind:
            for kind in self._kinds.values():
                if rule.refuses_kind(kind):
                    kind.refusing |= mask
        if rule.of_hostname:
            for site in self._sites:
                if rule.refuses_hostname(site.hostname):
                    site.refusing |= mask

    def remove_client(self, mask: int) -> None:
        """Forget a client's filter, if it has one."""
        rule = self._rules.pop(mask, None)
        if rule is None:
            return
        self._choosy &= ~mask
        for host in rule.hosts or ():
            self._accepting[host] &= ~mask
            if not self._accepting[host]:
                del self._accepting[host]
        for kind in self._kinds.values():
            kind.refusing &= ~mask
        if rule.of_hostname:
            for site in self._sites:
                site.refusing &= ~mask

    def add_site(self, agent: AgentInfo) -> Site:
        """An agent joins: judge it by every filter."""
        texts = {name: attribute_text(value) for name, value in agent.attributes.items()}
        key = tuple(sorted(texts.items()))
        kind = self._kinds.get(key)
        if kind is None:
            kind = self._kinds[key] = _Kind(texts)
            for mask, rule in self._rules.items():
                if rule.refuses_kind(kind):
                    kind.refusing |= mask
        kind.sites += 1
        site = Site(agent.hostname, kind)
        for mask, rule in self._rules.items():
            if rule.of_hostname and rule.refuses_hostname(agent.hostname):
                site.refusing |= mask
        self._sites[site] = None
        return site

    def remove_site(self, site: Site) -> None:
        """An agent leaves."""
        del self._sites[site]
        site.kind.sites -= 1
        if not site.kind.sites:
            del self._kinds[tuple(sorted(site.kind.texts.items()))]


def _test(constraint: AttributeConstraint) -> _Test:
    """The question a constraint asks of an attribute's text, None if the agent lacks the attribute."""
    value = constraint.value
    match constraint.operator:
        case Operator.EXISTS:
            return lambda text: text is not None
        case Operator.NOT_EXISTS:
            return lambda text: text is None
        case Operator.EQUALS:
            return lambda text: text == value
        case Operator.NOT_EQUALS:
            return lambda text: text != value
        case Operator.MATCHES | Operator.NOT_MATCHES:
            return _pattern_test(value, constraint.operator is Operator.MATCHES)
        case _:
            assert_never(constraint.operator)


def _pattern_test(value: str, wanted: bool) -> _Test:
    pattern = _compiled(value)
    if isinstance(pattern, str):
        return lambda text: False
    return lambda text: (text is not None and pattern.fullmatch(_utf8(text)) is not None) is wanted


def _compiled(pattern: str) -> Any | str:
    """The compiled pattern, or why there is none."""
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = _MAX_PATTERN_BYTES
    try:
        return re2.compile(_utf8(pattern), options)
    except re2.error as error:
        why = error.args[0] if error.args else error
        return why.decode(errors="replace") if isinstance(why, bytes) else str(why)


def _utf8(text: str) -> bytes:
    """For RE2: given text, it would raise on a lone surrogate."""
    return text.encode(errors="surrogatepass")
