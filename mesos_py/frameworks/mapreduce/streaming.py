"""Reads the arguments of Hadoop Streaming into a Job."""

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Final

from mesos_py.errors import UserError
from mesos_py.frameworks.mapreduce.conf import current_names, flag, number
from mesos_py.frameworks.mapreduce.job import Job, KeyRules, Shipped, SortKey

__all__ = ["parse_sort_keys", "parse_streaming"]

Resolve = Callable[[str], str]
"""Turns a path or URL as the user wrote it into one that this host can open."""

_LISTS: Final = ("-files", "-archives", "-libjars", "-file", "-cacheFile", "-cacheArchive")
_REPEATED: Final = ("-input", "-D", "-jobconf", "-cmdenv")
_SINGLE: Final = (
    "-output", "-mapper", "-combiner", "-reducer", "-numReduceTasks", "-partitioner", "-inputformat",
    "-outputformat", "-io", "-conf", "-fs", "-jt", "-mapdebug", "-reducedebug", "-lazyOutput",
)  # fmt: skip
_SWITCHES: Final = ("-verbose", "-info", "-background", "-debug")
_IDENTITIES: Final = ("IdentityMapper", "IdentityReducer")
_JAVA: Final = re.compile(r"[a-z]\w*(\.\w+)*\.[A-Z]\w*")
_PARTITIONERS: Final = ("KeyFieldBasedPartitioner", "HashPartitioner")
_INPUT_FORMATS: Final = ("TextInputFormat", "KeyValueTextInputFormat", "NLineInputFormat")
_KEY: Final = re.compile(r"-k(\d+)(?:\.(\d+))?([nr]*)(?:,(\d+)(?:\.(\d+))?([nr]*))?")
_MB: Final = 1 << 20
_MOST_REDUCES: Final = 100_000
"""Each has a part of every map's output."""


def parse_streaming(words: Sequence[str], resolve: Resolve = str) -> Job:
    """The job these arguments describe. Raises UserError with one clear line."""
    options = _collect(words)
    conf = current_names(dict(_pair(word, "-D") for word in options["-D"] + options["-jobconf"]))
    for needed in ("-input", "-output"):
        if not options[needed]:
            raise UserError(f"a job needs {needed}")
    _refuse_java(options)
    reduces = _reduces(options, conf)
    return Job(
        name=conf.get("mapreduce.job.name") or _name(options),
        inputs=tuple(resolve(path) for value in options["-input"] for path in value.split(",")),
        output=resolve(options["-output"][-1]),
        mapper=_program(options, "-mapper") or (),
        combiner=_program(options, "-combiner"),
        reducer=_program(options, "-reducer") or (),
        reduces=reduces,
        files=tuple(_shipped(options, resolve)),
        environment=dict(_pair(word, "-cmdenv") for word in options["-cmdenv"]),
        conf=conf,
        keys=_keys(options, conf),
        lines_per_map=_lines_per_map(options, conf),
        split_bytes=int(number(conf, "mapreduce.input.fileinputformat.split.maxsize", 32 * _MB, 1, 2**63)),
        cpus=number(conf, "mapreduce.map.cpu.vcores", 1.0, 0.001),
        map_mem=number(conf, "mapreduce.map.memory.mb", 256, 32),
        reduce_mem=number(conf, "mapreduce.reduce.memory.mb", 256, 32),
        sort_bytes=int(number(conf, "mapreduce.task.io.sort.mb", 64, 1) * _MB),
        compress=_compression(conf),
        attempts=int(number(conf, "mapreduce.map.maxattempts", 4, 1)),
        speculative=flag(conf, "mapreduce.map.speculative", default=True),
        exit_matters=flag(conf, "stream.non.zero.exit.is.failure", default=True),
    )


def parse_sort_keys(text: str) -> tuple[SortKey, ...]:
    """``-k1,1 -k2nr`` as sort(1) and Hadoop have it. Raises UserError."""
    keys = []
    numeric = reverse = False
    for word in text.split():
        if word in ("-n", "-r", "-nr", "-rn"):
            numeric, reverse = numeric or "n" in word, reverse or "r" in word
            continue
        found = _KEY.fullmatch(word)
        if found is None:
            raise UserError(f"{word!r} is no key such as -k1,2 or -k2nr")
        flags = found[3] + (found[6] or "")
        keys.append(
            SortKey(
                first=int(found[1]),
                first_char=int(found[2] or 1),
                last=int(found[4] or 0),
                last_char=int(found[5] or 0),
                numeric="n" in flags,
                reverse="r" in flags,
            )
        )
    if not keys:
        keys = [SortKey(numeric=numeric, reverse=reverse)] if numeric or reverse else []
    return tuple(keys)


def _collect(words: Sequence[str]) -> dict[str, list[str]]:
    if not all(map(_is_text, words)):
        raise UserError("names, paths and values must be text in UTF-8")
    options: dict[str, list[str]] = {name: [] for name in (*_LISTS, *_REPEATED, *_SINGLE, *_SWITCHES)}
    rest = iter(words)
    for word in rest:
        name = f"-{word[2:]}" if word.startswith("--") else word
        if name.startswith("-D") and len(name) > 2:
            options["-D"].append(name[2:])
        elif name in _SWITCHES:
            options[name].append("")
        elif name in options:
            value = next(rest, None)
            if value is None:
                raise UserError(f"{word} needs a value")
            options[name].append(value)
        else:
            raise UserError(f"{word} is no option of a streaming job")
    return options


def _is_text(word: str) -> bool:
    """Bytes that are no UTF-8 come as surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in word)


def _pair(word: str, option: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not name or not equals:
        raise UserError(f"{option} {word}: that is not NAME=VALUE")
    return name, value


def _name(options: dict[str, list[str]]) -> str:
    words = _split("-mapper", (options["-mapper"] or ["cat"])[-1])
    return PurePosixPath(words[0]).name if words else "mapreduce"


def _split(option: str, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UserError(f"{option} {text!r}: {str(error).lower()}") from None


def _program(options: dict[str, list[str]], option: str) -> tuple[str, ...] | None:
    if not options[option] or options[option][-1] == "NONE":
        return None
    words = _split(option, options[option][-1])
    if not words:
        raise UserError(f"{option} is empty")
    if words[0].rpartition(".")[2] in _IDENTITIES:
        return ()
    if _JAVA.fullmatch(words[0]) or (words == ["aggregate"] and option != "-reducer"):
        raise UserError(f"{option} {words[0]} is a Java class: only programs can be run")
    return tuple(words)


def _refuse_java(options: dict[str, list[str]]) -> None:
    known = (
        ("-inputformat", _INPUT_FORMATS),
        ("-partitioner", _PARTITIONERS),
        ("-outputformat", ("TextOutputFormat",)),
    )
    for option, names in known:
        for value in options[option]:
            if value.rpartition(".")[2] not in names:
                raise UserError(f"{option} {value} is a Java class that is not there: there are {', '.join(names)}")
    if options["-io"] and options["-io"][-1] != "text":
        raise UserError(f"-io {options['-io'][-1]}: only text is understood")


def _reduces(options: dict[str, list[str]], conf: dict[str, str]) -> int:
    if options["-reducer"] and options["-reducer"][-1] == "NONE":
        return 0
    if options["-numReduceTasks"]:
        conf = {**conf, "mapreduce.job.reduces": options["-numReduceTasks"][-1]}
    return int(number(conf, "mapreduce.job.reduces", 1, most=_MOST_REDUCES))


def _shipped(options: dict[str, list[str]], resolve: Resolve) -> list[Shipped]:
    shipped = []
    for option in ("-file", "-files", "-archives", "-cacheFile", "-cacheArchive"):
        for word in (word for value in options[option] for word in value.split(",") if word):
            path, _, name = word.partition("#")
            # what is shipped is looked for on this host, unless it says where else
            path = resolve(path) if "://" in path else path
            shipped.append(
                Shipped(path=path, name=name or PurePosixPath(path).name, archive=option.lower().endswith("archives"))
                if option != "-cacheArchive"
                else Shipped(path=path, name=name or PurePosixPath(path).name, archive=True)
            )
    return shipped


def _keys(options: dict[str, list[str]], conf: dict[str, str]) -> KeyRules:
    partition: tuple[SortKey, ...] = ()
    if any(value.endswith("KeyFieldBasedPartitioner") for value in options["-partitioner"]):
        partition = parse_sort_keys(conf.get("mapreduce.partition.keypartitioner.options", ""))
    sort: tuple[SortKey, ...] = ()
    comparator = conf.get("mapreduce.job.output.key.comparator.class", "")
    if comparator.endswith("KeyFieldBasedComparator"):
        sort = parse_sort_keys(conf.get("mapreduce.partition.keycomparator.options", ""))
    elif comparator:
        raise UserError(f"comparator {comparator} is a Java class that is not there: there is KeyFieldBasedComparator")
    return KeyRules(
        separator=conf.get("stream.map.output.field.separator", "\t"),
        fields=int(number(conf, "stream.num.map.output.key.fields", 1, 1)),
        inner_separator=conf.get("mapreduce.map.output.key.field.separator", "\t"),
        partition=partition,
        sort=sort,
    )


def _lines_per_map(options: dict[str, list[str]], conf: dict[str, str]) -> int:
    if not any(value.endswith("NLineInputFormat") for value in options["-inputformat"]):
        return 0
    return int(number(conf, "mapreduce.input.lineinputformat.linespermap", 1, 1))


def _compression(conf: dict[str, str]) -> str:
    if not flag(conf, "mapreduce.output.fileoutputformat.compress", default=False):
        return ""
    codec = conf.get("mapreduce.output.fileoutputformat.compress.codec", "GzipCodec")
    for name, suffix in (("GzipCodec", "gz"), ("BZip2Codec", "bz2")):
        if codec.endswith(name):
            return suffix
    raise UserError(f"codec {codec} is not there: there are GzipCodec and BZip2Codec")
