from __future__ import annotations

from webapp.presenters.charts import BOTTOM, LEFT, RIGHT, TOP, Axis, Chart


def test_a_line_is_drawn_from_corner_to_corner() -> None:
    chart = Chart("Loss", Axis("Epoch", 1, 5, [1, 5]), Axis("Loss", 0, 2, [0, 2]))

    chart.add_line("training", [(1, 0), (5, 2)], "first")

    assert chart.lines[0].path == f"{LEFT:.1f},{BOTTOM:.1f} {RIGHT:.1f},{TOP:.1f}"
    assert [tick.label for tick in chart.x_ticks] == ["1", "5"]


def test_a_bar_stands_on_the_axis() -> None:
    chart = Chart("Reliability", Axis("said"), Axis("right"))

    chart.add_bar(0.5, 1, 0.5, is_weak=True)

    (bar,) = chart.bars
    assert float(bar.y) + float(bar.height) == BOTTOM
    assert float(bar.x) == (LEFT + RIGHT) / 2
    assert bar.style == "bar few"


def test_faint_lines_have_no_place_in_the_legend() -> None:
    chart = Chart("ROC", Axis("x"), Axis("y"))
    chart.add_line("cat", [(0, 0)], "faint")
    chart.add_line("dog", [(0, 0)], "first")

    assert [line.label for line in chart.legend] == ["dog"]


def test_a_flat_axis_is_no_error() -> None:
    chart = Chart("Loss", Axis("Epoch", 3, 3, [3]), Axis("Loss", 0, 0, [0]))

    chart.add_line("training", [(3, 0)], "first")

    assert chart.lines[0].path == f"{LEFT:.1f},{BOTTOM:.1f}"
