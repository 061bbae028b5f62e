"""Draws the time series of a simulated scenario: on the terminal, or as a picture into a file."""

import os
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from mesos_py.testing.traces.run import Series

__all__ = ["plot_on_terminal", "save_plot", "why_no_plot"]

_KINDS: Final = (".png", ".svg")
_COLOURS: Final = ("green", "blue", "yellow", "magenta", "cyan", "red")
_TERMINAL_LINES: Final = 12
_MARGIN: Final = 16
"""Columns that the numbers at the left take."""
_UNITS: Final = (("h", 3600.0), ("min", 60.0), ("s", 1.0))


def why_no_plot(path: Path) -> str | None:
    """Why nothing can be drawn into this file, or None."""
    if path.suffix.lower() not in _KINDS:
        return f"a plot goes into a file named *.png or *.svg, not {path.name!r}"
    if find_spec("matplotlib") is None:
        return "plots into files need matplotlib: pip install 'mesos_py[plot]'"
    return None


def _unit(seconds: float) -> tuple[str, float]:
    """In which to label a time axis this long, and how many seconds that is."""
    return next(((name, length) for name, length in _UNITS if seconds >= 3 * length), _UNITS[-1])


def plot_on_terminal(series: Series) -> str:
    """Utilisation and, if there are few frameworks, the share of each."""
    lines = {f"{name} used": values for name, values in series.utilisation.items()}
    if len(series.frameworks) + len(lines) <= len(_COLOURS):
        lines |= {f"{name}'s share": each.share for name, each in series.frameworks.items()}
    return _draw(series.time_s, lines)


def _draw(times: Sequence[float], lines: dict[str, list[float]]) -> str:
    from plotille import Figure  # noqa: PLC0415  (needed on terminals only)

    unit, length = _unit(times[-1])
    figure = Figure()
    figure.width = max(20, min(shutil.get_terminal_size().columns - _MARGIN, 100))
    figure.height = _TERMINAL_LINES
    figure.color_mode = "names"
    figure.with_colors = "NO_COLOR" not in os.environ
    figure.x_label, figure.y_label = unit, "%"
    figure.set_x_limits(0.0, max(times[-1] / length, 0.001))
    figure.set_y_limits(0.0, 100.0)
    figure.register_label_formatter(float, _label)
    for (name, values), colour in zip(lines.items(), _COLOURS, strict=False):
        figure.plot([time / length for time in times], [100 * value for value in values], label=name, lc=colour)
    return str(figure.show(legend=True))


def _label(value: float, chars: int, delta: float, left: bool = False) -> str:  # noqa: ARG001
    text = f"{value:.3g}"
    return text.ljust(chars) if left else text.rjust(chars)


def save_plot(path: Path, series: Series, title: str) -> None:
    """A picture: utilisation above, the frameworks' dominant shares below. Raises OSError."""
    from matplotlib.figure import Figure  # noqa: PLC0415  (an extra, and slow)

    unit, length = _unit(series.time_s[-1])
    times = [time / length for time in series.time_s]
    figure = Figure(figsize=(9, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    for name, values in series.utilisation.items():
        _line(above, times, values, name)
    for name, each in series.frameworks.items():
        _line(below, times, each.share, name)
    above.set(title=title, ylabel="used, %")
    below.set(ylabel="dominant share, %", xlabel=f"time, {unit}")
    for axes in (above, below):
        axes.set_ylim(0, 105)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small", ncols=1 + len(axes.get_lines()) // 8)
    figure.savefig(path)


def _line(axes: Any, times: list[float], values: list[float], label: str) -> None:
    axes.step(times, [100 * value for value in values], where="post", label=label)
