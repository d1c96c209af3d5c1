"""Charts of columns in eighths of a cell."""

from __future__ import annotations

from collections.abc import Sequence

_EIGHTHS = " ▁▂▃▄▅▆▇█"


def columns(values: Sequence[int], lines: int) -> list[str]:
    """Return a chart of one cell a value, the top line first; the highest value is as high as the chart."""
    top = max(values, default=0)
    heights = [0 if not top or not value else max(1, round(value * lines * 8 / top)) for value in values]
    return [
        "".join(_EIGHTHS[max(0, min(8, height - line * 8))] for height in heights) for line in reversed(range(lines))
    ]


def trend(values: Sequence[int]) -> str:
    """Return a chart of one line, with a free eighth at the top to keep neighbouring lines apart."""
    top = max(values, default=0)
    return "".join(_EIGHTHS[max(1, round(value * 7 / top)) if value else 0] for value in values)


Cell = tuple[str, int | None, int | None]
"""A character, and the series of its colour and of its background."""


def stacked(series: Sequence[Sequence[int]], lines: int, top: int) -> list[list[Cell]]:
    """Return a chart of stacked series, one cell a value, the first series at the bottom, the top line first.

    `top` is the value at full height. Of more than two series in a cell, the two largest show.
    """
    columns = [_column([values[place] for values in series], lines, top) for place in range(len(series[0]))]
    return [[column[line] for column in columns] for line in reversed(range(lines))]


def _column(values: Sequence[int], lines: int, top: int) -> list[Cell]:
    whole = sum(values)
    height = min(lines * 8, max(1, round(whole * lines * 8 / top))) if whole and top else 0
    bands, spent = list[tuple[int, int, int]](), 0
    for number, value in enumerate(values):
        begin, spent = round(spent * height / whole) if whole else 0, spent + value
        end = round(spent * height / whole) if whole else 0
        if end > begin:
            bands.append((number, begin, end))
    return [_cell(bands, line * 8) for line in range(lines)]


def _cell(bands: Sequence[tuple[int, int, int]], floor: int) -> Cell:
    """Return the cell of the bands between a height and eight eighths above."""
    inside = [(number, max(begin, floor), min(end, floor + 8)) for number, begin, end in bands]
    inside = [(number, begin - floor, end - floor) for number, begin, end in inside if end > begin]
    if not inside:
        return " ", None, None
    top = inside[-1][2]
    largest = sorted(sorted(inside, key=lambda band: band[1] - band[2])[:2])
    if len(largest) == 1 or top < 8:
        # The column ends within this cell: the cell has room for one series, and its height must be right.
        number = max(inside, key=lambda band: band[2] - band[1])[0]
        return _EIGHTHS[top], number, None
    (lower, _, border), (upper, _, _) = largest
    return _EIGHTHS[min(7, max(1, border))], lower, upper


def round_top(value: int) -> int:
    """Return the next number up of 1, 2 or 5 times a power of ten."""
    unit = 1
    while True:
        for times in (1, 2, 5):
            if value <= times * unit:
                return times * unit
        unit *= 10
