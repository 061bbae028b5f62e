"""Properties: the names they have today for those they had before, and what is asked of them."""

from collections.abc import Mapping
from typing import Final

from mesos_py.errors import UserError

__all__ = ["current_names", "flag", "number"]

_RENAMED: Final = {
    "io.sort.mb": "mapreduce.task.io.sort.mb",
    "key.value.separator.in.input.line": "mapreduce.input.keyvaluelinerecordreader.key.value.separator",
    "map.output.key.field.separator": "mapreduce.map.output.key.field.separator",
    "mapred.job.name": "mapreduce.job.name",
    "mapred.line.input.format.linespermap": "mapreduce.input.lineinputformat.linespermap",
    "mapred.map.max.attempts": "mapreduce.map.maxattempts",
    "mapred.map.tasks": "mapreduce.job.maps",
    "mapred.map.tasks.speculative.execution": "mapreduce.map.speculative",
    "mapred.max.split.size": "mapreduce.input.fileinputformat.split.maxsize",
    "mapred.output.compress": "mapreduce.output.fileoutputformat.compress",
    "mapred.output.compression.codec": "mapreduce.output.fileoutputformat.compress.codec",
    "mapred.output.key.comparator.class": "mapreduce.job.output.key.comparator.class",
    "mapred.reduce.tasks": "mapreduce.job.reduces",
    "mapred.text.key.comparator.options": "mapreduce.partition.keycomparator.options",
    "mapred.text.key.partitioner.options": "mapreduce.partition.keypartitioner.options",
}


def current_names(conf: Mapping[str, str]) -> dict[str, str]:
    """Each property under today's name; that wins where both are given."""
    old = {_RENAMED[name]: value for name, value in conf.items() if name in _RENAMED}
    return old | {name: value for name, value in conf.items() if name not in _RENAMED}


def number(conf: Mapping[str, str], name: str, default: float, least: float = 0, most: float = 1e9) -> float:
    """A property that is a number. Raises UserError."""
    text = conf.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise UserError(f"-D {name}={text}: that is no number from {least:g} to {most:g}")
    return value


def flag(conf: Mapping[str, str], name: str, *, default: bool) -> bool:
    """A property that is true or false. Raises UserError."""
    text = conf.get(name, str(default)).strip().lower()
    if text not in ("true", "false"):
        raise UserError(f"-D {name}={text}: that is neither true nor false")
    return text == "true"
