"""What a job is: programs, inputs, an output, and how keys are told from values."""

from msgspec import Struct

__all__ = ["Job", "KeyRules", "Shipped", "SortKey", "Split"]


class Shipped(Struct, frozen=True, kw_only=True):
    """A file that each attempt finds in its directory."""

    path: str
    """Where it is, on the submitting host."""
    name: str
    """What it is called there."""
    archive: bool = False
    """Unpacked into a directory of that name."""


class SortKey(Struct, frozen=True, kw_only=True):
    """A part of the key, as sort(1) names it: fields and characters count from 1, an end of 0 means to the end."""

    first: int = 1
    first_char: int = 1
    last: int = 0
    last_char: int = 0
    numeric: bool = False
    reverse: bool = False


class KeyRules(Struct, frozen=True, kw_only=True):
    """How a line is sorted and to which reducer it goes."""

    separator: str = "\t"
    """Between the fields of a mapper's line."""
    fields: int = 1
    """How many of them are the key; the rest is the value."""
    inner_separator: str = "\t"
    """Between the fields of a key, for ``partition`` and ``sort``."""
    partition: tuple[SortKey, ...] = ()
    """Which parts of the key decide about the reducer; none: the whole key."""
    sort: tuple[SortKey, ...] = ()
    """Which parts decide about the order; none: the bytes of the key."""


class Job(Struct, frozen=True, kw_only=True):
    """One job. Programs are argument vectors; an empty one passes lines on as they are."""

    name: str
    inputs: tuple[str, ...]
    """Paths, patterns and URLs, as :mod:`.blocks` reads them."""
    output: str
    """A directory that is not there yet."""
    mapper: tuple[str, ...] = ()
    combiner: tuple[str, ...] | None = None
    reducer: tuple[str, ...] = ()
    reduces: int = 1
    """0: the mappers' output is the job's."""
    files: tuple[Shipped, ...] = ()
    environment: dict[str, str] = {}
    """For the programs."""
    conf: dict[str, str] = {}
    """Properties by their names in Hadoop; programs find them as variables, dots replaced by underscores."""
    keys: KeyRules = KeyRules()
    lines_per_map: int = 0
    """So many lines of input for each mapper, which gets them with their offsets; 0: split by size."""
    split_bytes: int = 32 << 20
    cpus: float = 1.0
    """Of each attempt."""
    map_mem: float = 256.0
    reduce_mem: float = 256.0
    """MB."""
    sort_bytes: int = 64 << 20
    """How much of a mapper's output is sorted in memory before it goes to disk."""
    compress: str = ""
    """Of the output: gz, bz2 or nothing."""
    attempts: int = 4
    """How often a piece of work may fail before the job does."""
    speculative: bool = True
    exit_matters: bool = True
    """Whether a program that exits otherwise than with 0 has failed."""


class Split(Struct, frozen=True, kw_only=True):
    """The part of an input that one mapper reads: the lines that begin in it."""

    path: str
    """As the job names the file."""
    start: int = 0
    length: int = 0
    codec: str = ""
    """gz or bz2, for a file that is read as a whole."""
    size: int = 0
    mtime_ns: int = 0
    """Of the file; whoever finds another under this path does not take it for the same."""
    hosts: tuple[str, ...] = ()
    """Where it is at hand."""
    pinned: dict[str, str] = {}
    """Host to path, for a file that only these hosts have."""
    url: str = ""
    """Where everybody can get the whole file."""
