"""What an agent's journal holds: read at the start, and written anew when it has grown."""

from collections.abc import Iterable
from typing import Final

import msgspec

from mesos_py.agent.checkpoint import Record
from mesos_py.agent.config import AgentCoreConfig
from mesos_py.agent.reconfiguration import why_not_reconfigured
from mesos_py.agent.recovery import ERRORS, described, recover
from mesos_py.agent.state import AgentState
from mesos_py.errors import ConfigError
from mesos_py.messages.codec import decode_hook, encode_hook
from mesos_py.runtime.containers import Journal
from mesos_py.types.infos import AgentInfo

__all__ = ["Compaction", "encode_record", "load_state"]

encode_record: Final = msgspec.msgpack.Encoder(enc_hook=encode_hook).encode
_decode: Final = msgspec.msgpack.Decoder(Record, dec_hook=decode_hook).decode

_SMALL: Final = 4 * 2**20
"""Bytes that a journal may grow by in any case before it is written anew."""
_GROWTH: Final = 3
"""How many times its own size it may grow by."""


def load_state(journal: Journal, config: AgentCoreConfig, *, policy: str, strict: bool, url_varies: bool) -> AgentState:
    """The state that earlier processes left. Raises ConfigError if it cannot be read, or not be gone on with.

    Of a URL that varies from start to start no change is seen.
    """
    try:
        texts, spoiled = journal.read()
    except OSError as error:
        raise ConfigError(f"cannot read the agent's journal: {error.strerror}") from None
    records, unknown = _decoded(texts)
    lost = spoiled + unknown
    if lost and strict:
        raise ConfigError(f"the agent's journal has {lost} records that cannot be read; --no-strict leaves them out")
    before = described(records)
    as_before = config if before is None else msgspec.structs.replace(config, info=before)
    try:
        state = recover(as_before, records, strict=strict)
    except ConfigError as error:
        raise ConfigError(f"the agent's journal: {error}; --no-strict leaves out what does not fit") from None
    if lost:
        state.count(ERRORS, lost)
    if before is not None and not config.cleanup:
        if url_varies:
            before = msgspec.structs.replace(before, url=config.info.url)
        _reconfigure(state, before, config, policy)
    return state


def _decoded(texts: Iterable[bytes]) -> tuple[list[Record], int]:
    """Records, and how many cannot be read: spoiled, or of a kind that only a newer release knows."""
    records: list[Record] = []
    unknown = 0
    for text in texts:
        try:
            records.append(_decode(text))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            unknown += 1
    return records, unknown


def _reconfigure(state: AgentState, before: AgentInfo, config: AgentCoreConfig, policy: str) -> None:
    if why := why_not_reconfigured(policy, before, config.info, state.used):
        raise ConfigError(f"the agent cannot go on: {why}")
    state.reconfigure(config)


class Compaction:
    """Decides when a journal is written anew: what was appended is large, and much larger than what is needed."""

    def __init__(self) -> None:
        self._appended = 0
        self._needed = 0

    def appended(self, size: int) -> None:
        """So many bytes more."""
        self._appended += size

    def is_due(self) -> bool:
        """True if it is worth while."""
        return self._appended > max(_SMALL, _GROWTH * self._needed)

    def written(self, size: int) -> None:
        """It was written anew, with so many bytes."""
        self._appended, self._needed = 0, size
