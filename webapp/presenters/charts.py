"""Charts as SVG, for pages without scripts and for reports that stand alone; `versions/_chart.html` draws them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.utils.formats import number_format

WIDTH, HEIGHT = 320, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 312, 10, 196  # of the plot
STYLES = ("first", "second", "third")  # of lines to look at; figures.css has a colour for each

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`, with a mark at each of `ticks`."""

    title: str
    low: float = 0.0
    high: float = 1.0
    ticks: Sequence[float] = (0, 0.25, 0.5, 0.75, 1)

    def share(self, value: float) -> float:
        return (value - self.low) / ((self.high - self.low) or 1)


@dataclass(frozen=True)
class Line:
    label: str
    path: str  # "x,y x,y …" for a polyline
    style: str  # one of STYLES, or faint


@dataclass(frozen=True)
class Bar:
    style: str  # bar, or "bar few" where it stands on little
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True)
class Tick:
    at: str
    label: str


@dataclass
class Chart:
    """A plot of lines or bars; all lengths are in units of its view box."""

    title: str
    x: Axis
    y: Axis
    lines: list[Line] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    diagonal: str = ""  # the line of x = y, where that means something

    def add_line(self, label: str, points: Iterable[Point], style: str) -> None:
        path = " ".join(f"{self._x(x)},{self._y(y)}" for x, y in points)
        self.lines.append(Line(label, path, style))

    def add_bar(self, low: float, high: float, height: float, *, is_weak: bool) -> None:
        """From `low` to `high` on the x axis; a weak one, which stands on little, is drawn pale."""
        left, width = self._x(low), (RIGHT - LEFT) * (self.x.share(high) - self.x.share(low))
        tall = (BOTTOM - TOP) * self.y.share(height)
        self.bars.append(
            Bar("bar few" if is_weak else "bar", left, self._y(height), f"{max(width - 1, 1):.1f}", f"{tall:.1f}")
        )

    def add_diagonal(self) -> None:
        self.diagonal = f"{self._x(0)},{self._y(0)} {self._x(1)},{self._y(1)}"

    @property
    def x_ticks(self) -> list[Tick]:
        return [Tick(self._x(each), number_format(each)) for each in self.x.ticks]

    @property
    def y_ticks(self) -> list[Tick]:
        return [Tick(self._y(each), number_format(each)) for each in self.y.ticks]

    @property
    def legend(self) -> list[Line]:
        return [line for line in self.lines if line.style in STYLES]

    def _x(self, value: float) -> str:
        return f"{LEFT + (RIGHT - LEFT) * self.x.share(value):.1f}"

    def _y(self, value: float) -> str:
        return f"{BOTTOM - (BOTTOM - TOP) * self.y.share(value):.1f}"
