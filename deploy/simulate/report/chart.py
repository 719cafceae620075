"""Line charts as SVG, without a library or a network. PURE.

Colours are classes of ``chart.css``. The same figures give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

WIDTH: Final = 720
HEIGHT: Final = 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 28, 16, 48
_LEGEND_ROW: Final = 20
_LEGEND_COLUMN: Final = 210
_TICKS: Final = 5

#: Of a page or a picture; the reader's theme decides.
STYLE: Final = Path(__file__).with_name("chart.css").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Line:
    """``points`` joined in their order; with ``dots`` each is only marked. ``color`` is 1 to 5.
    One without a name is not in the legend."""

    name: str
    points: Sequence[tuple[float, float]]
    color: int
    dots: bool = False
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """``text`` says what and in which unit. ``floor`` and ``ceiling`` are in it at least; of a
    logarithmic axis what is at or below ``floor`` is left out."""

    text: str
    floor: float = 0.0
    ceiling: float = 0.0
    is_log: bool = False
    tell: Callable[[float], str] = lambda value: f"{value:.6f}".rstrip("0").rstrip(".")


def chart(title: str, lines: Sequence[Line], x: Axis, y: Axis) -> str:
    """The inside of a picture that is :data:`WIDTH` wide."""
    return "\n".join(_parts(title, lines, x, y))


def height_of(lines: Sequence[Line]) -> int:
    """How high :func:`chart` is."""
    return HEIGHT + 24 + _LEGEND_ROW * len(_legend_rows(lines))


def picture(title: str, lines: Sequence[Line], x: Axis, y: Axis) -> str:
    """One chart for a page that has the colours."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height_of(lines)}" role="img" aria-label="{escape(title)}">\n'
        f"{chart(title, lines, x, y)}\n</svg>"
    )


def standing_alone(title: str, charts: Sequence[tuple[str, Sequence[Line], Axis, Axis]]) -> str:
    """Charts below each other, with their colours: a file of its own."""
    top, inside = 0, []
    for name, lines, x, y in charts:
        inside.append(f'<g transform="translate(0 {top})">\n{chart(name, lines, x, y)}\n</g>')
        top += height_of(lines) + 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" '
        f'height="{top}" role="img" aria-label="{escape(title)}">\n<style>{STYLE}</style>\n'
        f'<rect class="sheet" width="{WIDTH}" height="{top}" rx="8"/>\n'
        + "\n".join(inside)
        + "\n</svg>\n"
    )


def _parts(title: str, lines: Sequence[Line], x: Axis, y: Axis) -> Iterable[str]:
    to_x = _scale(x, [p[0] for line in lines for p in line.points], _LEFT, WIDTH - _RIGHT)
    to_y = _scale(
        y, [p[1] for line in lines for p in line.points], HEIGHT - _BOTTOM + 24, _TOP + 24
    )
    bottom = HEIGHT - _BOTTOM + 24
    yield f'<text class="title" x="{_LEFT}" y="20">{escape(title)}</text>'
    for at in to_y.ticks:
        height = to_y(at)
        yield (
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" '
            f'y1="{height:.1f}" y2="{height:.1f}"/>'
        )
        yield (
            f'<text x="{_LEFT - 8}" y="{height + 4:.1f}" text-anchor="end">'
            f"{escape(y.tell(at))}</text>"
        )
    for at in to_x.ticks:
        yield (
            f'<text x="{to_x(at):.1f}" y="{bottom + 18}" text-anchor="middle">'
            f"{escape(x.tell(at))}</text>"
        )
    yield (
        f'<text x="{(_LEFT + WIDTH) / 2:.0f}" y="{bottom + 38}" text-anchor="middle">'
        f"{escape(x.text)}</text>"
    )
    middle = (bottom + _TOP + 24) / 2
    yield (
        f'<text x="14" y="{middle:.0f}" text-anchor="middle" '
        f'transform="rotate(-90 14 {middle:.0f})">{escape(y.text)}</text>'
    )
    for line in lines:
        places = [
            (to_x(at), to_y(value))
            for at, value in line.points
            if not (y.is_log and value <= y.floor) and not (x.is_log and at < x.floor)
        ]
        if line.dots:
            for left, height in places:
                yield f'<circle class="d{line.color}" cx="{left:.1f}" cy="{height:.1f}" r="3.5"/>'
        elif places:
            path = " ".join(f"{left:.1f},{height:.1f}" for left, height in places)
            dashed = " dashed" * line.dashed
            yield f'<polyline class="line s{line.color}{dashed}" points="{path}"/>'
    for number, row in enumerate(_legend_rows(lines)):
        height = HEIGHT + 30 + number * _LEGEND_ROW
        for column, line in enumerate(row):
            left = _LEFT + column * _LEGEND_COLUMN
            if line.dots:
                yield f'<circle class="d{line.color}" cx="{left + 10}" cy="{height}" r="3.5"/>'
            else:
                dashed = " dashed" * line.dashed
                yield (
                    f'<line class="line s{line.color}{dashed}" x1="{left}" x2="{left + 20}" '
                    f'y1="{height}" y2="{height}"/>'
                )
            yield f'<text x="{left + 28}" y="{height + 4}">{escape(line.name)}</text>'


def _legend_rows(lines: Sequence[Line]) -> list[list[Line]]:
    named = [line for line in lines if line.name]
    return [named[first : first + 3] for first in range(0, len(named), 3)]


class _scale:  # noqa: N801 - it is used as a function
    """From values of an axis to places between two others."""

    def __init__(self, axis: Axis, values: Sequence[float], begin: float, end: float) -> None:
        self._log, self._begin, self._length = axis.is_log, begin, end - begin
        if axis.is_log:
            most = max([axis.ceiling, *values, axis.floor * 10])
            low, high = math.floor(math.log10(axis.floor)), math.ceil(math.log10(most))
            step = max(1, round((high - low) / _TICKS))
            self.ticks = [10.0**power for power in range(low, high + 1, step)]
            self._low, self._range = float(low), float(max(1, high - low))
            return
        least, most = min([axis.floor, *values]), max([axis.ceiling, axis.floor, *values])
        step_wide = _round_step((most - least or 1.0) / _TICKS)
        first, last = math.floor(least / step_wide), math.ceil(most / step_wide)
        last = max(last, first + 1)
        self.ticks = [round(n * step_wide, 9) for n in range(first, last + 1)]
        self._low, self._range = self.ticks[0], self.ticks[-1] - self.ticks[0]

    def __call__(self, value: float) -> float:
        at = math.log10(value) if self._log else value
        return self._begin + (at - self._low) / self._range * self._length


def _round_step(wanted: float) -> float:
    """1, 2 or 5 times a power of ten, not below ``wanted``."""
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= wanted * 0.999)
