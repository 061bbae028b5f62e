"""Turns qsub's options and the ``#PBS`` directives of a script into what is asked of the server.

Both are the same options; those of the command line win. The directives end with the first line that is a command.
What PBS knows and we do not do is refused, unless the job runs the same without it (such as mail): then it is noted.
"""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from mesos_py.errors import UserError
from mesos_py.frameworks.batch.amounts import parse_array, parse_mem, parse_time
from mesos_py.frameworks.batch.requests import MAX_NODES, MAX_SCRIPT, Condition, Dependency, JobRequest, parse_job_id

__all__ = ["parse_submission", "split_words"]

_WITH_VALUE: Final = frozenset("ACdejklmMNopqrStvwW")
_FLAGS: Final = frozenset("hVz")
_NOTED: Final = {"m": "no mail is sent", "M": "no mail is sent", "k": "output goes where -o and -e say"}
_NAME: Final = re.compile(r"[^\s/\x00]{1,236}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NODES: Final = re.compile(r"(\d{1,6})(?::ppn=(\d{1,6}))?")
_PASSED_ON: Final = ("HOME", "LANG", "LOGNAME", "PATH", "MAIL", "SHELL", "TZ")
"""Each is PBS_O_NAME in the job."""


def split_words(words: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Options, as getopt reads them, and what stands behind them. Raises UserError."""
    options: list[tuple[str, str]] = []
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in _FLAGS:
                options.append((letter, ""))
            elif letter in _WITH_VALUE:
                if not letters and not rest:
                    raise UserError(f"option -{letter} needs a value")
                options.append((letter, letters or rest.pop(0)))
                letters = ""
            else:
                raise UserError(f"option -{letter} is not known, or not supported")
    return options, rest


def parse_submission(
    script: str,
    options: Sequence[tuple[str, str]],
    *,
    name: str,
    environ: Mapping[str, str],
    work_dir: str,
) -> tuple[JobRequest, list[str]]:
    """The request, and notes for its author.

    Args:
        script: Its text.
        options: Of the command line.
        name: What it is called unless ``-N`` says otherwise.
        environ: Of the one who submits.
        work_dir: Where they are.

    Raises:
        UserError: An option or a directive makes no sense; its line is named.
    """
    if "\x00" in script or not script.strip():
        raise UserError("the script is empty" if not script.strip() else "the script is no text")
    prefix = next((value for letter, value in options if letter == "C"), "#PBS")
    fields: dict[str, Any] = {"name": name}
    notes: list[str] = []
    exports: dict[str, str | None] = {}
    everything = False
    for where, letter, value in [*_directives(script, prefix), *(("", *option) for option in options)]:
        try:
            if letter == "V":
                everything = True
            elif letter == "v":
                exports |= _variables(value)
            elif letter in _NOTED:
                notes.append(f"{where}-{letter} is ignored: {_NOTED[letter]}")
            else:
                fields |= _READERS[letter](value)
        except UserError as error:
            raise UserError(f"{where}{error}") from None
    if (per_process := fields.pop("pmem_mb", None)) is not None:
        fields["mem_mb"] = per_process * fields.get("nodes", 1) * fields.get("ppn", 1)
    environment = _environment(environ, exports, everything=everything)
    if len(script.encode(errors="replace")) > MAX_SCRIPT:
        raise UserError(f"the script has more than {MAX_SCRIPT // 1024} kB")
    if sum(len(key) + len(value.encode(errors="replace")) for key, value in environment.items()) > MAX_SCRIPT:
        raise UserError(f"the environment has more than {MAX_SCRIPT // 1024} kB: name what is needed with -v")
    request = JobRequest(script=script, work_dir=work_dir, environment=environment, **fields)
    try:
        msgspec.json.decode(msgspec.json.encode(request), type=JobRequest)
    except UnicodeEncodeError:
        raise UserError("names, paths and values must be text in UTF-8") from None
    except msgspec.ValidationError as error:
        raise UserError(f"the server takes no such job: {error}") from None
    return request, list(dict.fromkeys(notes))


def _directives(script: str, prefix: str) -> Iterator[tuple[str, str, str]]:
    """Where, letter and value."""
    for number, line in enumerate(script.splitlines(), 1):
        text = line.strip()
        if prefix and text.startswith(prefix):
            where = f"line {number}: {text.rstrip()}: "
            try:
                words = shlex.split(text[len(prefix) :], comments=True)
                options, rest = split_words(words)
            except ValueError as error:  # of shlex; UserError is one, too
                raise UserError(f"{where}{error}") from None
            if rest:
                raise UserError(f"{where}{rest[0]!r} is no option")
            for letter, value in options:
                yield where, letter, value
        elif text and not text.startswith(("#", ":")):
            return


def _environment(environ: Mapping[str, str], exports: Mapping[str, str | None], *, everything: bool) -> dict[str, str]:
    result = {}
    if everything:
        # bash's functions and what is no text stay behind, as nobody named them
        result = {name: value for name, value in environ.items() if _VARIABLE.fullmatch(name) and _is_text(value)}
    for name, value in exports.items():
        if value is not None or name in environ:
            result[name] = environ[name] if value is None else value
    return result | {f"PBS_O_{name}": environ[name] for name in _PASSED_ON if name in environ}


def _is_text(value: str) -> bool:
    """Bytes that are no UTF-8 come as surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _variables(text: str) -> dict[str, str | None]:
    variables: dict[str, str | None] = {}
    for part in text.split(","):
        name, given, value = part.partition("=")
        if not _VARIABLE.fullmatch(name.strip()):
            raise UserError(f"{name!r} is no name of a variable")
        variables[name.strip()] = value if given else None
    return variables


def _resources(text: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        match name.strip():
            case "nodes":
                fields |= _nodes(value)
            case "procs":
                fields |= {"nodes": _number("procs", value, 1, MAX_NODES), "ppn": 1}
            case "walltime":
                fields["walltime_s"] = parse_time(value)
            case "mem":
                fields["mem_mb"] = parse_mem(value)
            case "pmem":
                fields["pmem_mb"] = parse_mem(value)
            case other:
                raise UserError(f"resource {other!r} is not known: nodes, procs, walltime, mem and pmem are")
    return fields


def _nodes(text: str) -> dict[str, Any]:
    found = _NODES.fullmatch(text)
    if found is None:
        raise UserError(f"nodes={text} is not supported: nodes=N or nodes=N:ppn=P")
    nodes, ppn = int(found[1]), int(found[2] or 1)
    if not 1 <= nodes <= MAX_NODES or not 1 <= ppn <= MAX_NODES:
        raise UserError(f"nodes={text} makes no sense: a job has 1 to {MAX_NODES} nodes")
    return {"nodes": nodes, "ppn": ppn}


def _number(what: str, text: str, least: int, most: int) -> int:
    try:
        number = int(text)
    except ValueError:
        raise UserError(f"{what}: {text!r} is no number") from None
    if not least <= number <= most:
        raise UserError(f"{what}: {text} is not between {least} and {most}")
    return number


def _choice(letter: str, *choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise UserError(f"-{letter} {text!r}: one of {', '.join(choices)} is wanted")
        return text

    return read


def _job_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise UserError(f"-N {text!r} is no name of a job: no spaces and no slashes")
    return text


def _array(text: str) -> dict[str, Any]:
    indices, slots = parse_array(text)
    return {"array": indices, "slots": slots}


def _path(text: str) -> str:
    """PBS allows a host in front; all paths are those of the node."""
    host, colon, path = text.partition(":")
    return path if colon and "/" not in host else text


def _attributes(text: str) -> dict[str, Any]:
    name, _, value = text.partition("=")
    if name != "depend":
        raise UserError(f"-W {name} is not supported: depend is")
    dependencies = []
    for part in value.split(","):
        kind, *jobs = part.split(":")
        condition = kind.removesuffix("array")
        if condition not in set(Condition) or not jobs:
            raise UserError(f"-W depend={part}: {', '.join(Condition)} with job ids behind are known")
        for job in jobs:
            number, index, _ = parse_job_id(job)
            plain = f"{number}[{'' if index is None else index}]" if "[" in job else str(number)
            dependencies.append(Dependency(condition=Condition(condition), job=plain))
    return {"dependencies": dependencies}


_YES_OR_NO = _choice("r", "y", "n")
_JOIN = _choice("j", "oe", "eo", "n")
_READERS: Final[dict[str, Callable[[str], dict[str, Any]]]] = {
    "A": lambda text: {"account": text},
    "C": lambda text: {},
    "d": lambda text: {"start_dir": text},
    "e": lambda text: {"stderr": _path(text)},
    "h": lambda text: {"held": True},
    "j": lambda text: {"join": _JOIN(text).removesuffix("n")},
    "l": _resources,
    "N": lambda text: {"name": _job_name(text)},
    "o": lambda text: {"stdout": _path(text)},
    "p": lambda text: {"priority": _number("-p", text, -1024, 1023)},
    "q": lambda text: {"queue": text.partition("@")[0]},
    "r": lambda text: {"rerunnable": _YES_OR_NO(text) == "y"},
    "S": lambda text: {"shell": text.partition("@")[0]},
    "t": _array,
    "v": lambda text: {},
    "w": lambda text: {"start_dir": text},
    "W": _attributes,
    "z": lambda text: {},
}
