"""Large figures of block characters, two pixels to a cell: to be read from two metres."""

from __future__ import annotations

_ROWS = 5
_GLYPHS = {
    "0": "### #.# #.# #.# ###",
    "1": ".#. ##. .#. .#. ###",
    "2": "### ..# ### #.. ###",
    "3": "### ..# .## ..# ###",
    "4": "#.# #.# ### ..# ..#",
    "5": "### #.. ### ..# ###",
    "6": "### #.. ### #.# ###",
    "7": "### ..# ..# .#. .#.",
    "8": "### #.# ### #.# ###",
    "9": "### #.# ### ..# ###",
    ".": ". . . . #",
    ",": ". . . # #",
    "%": "#.# ..# .#. #.. #.#",
    " ": ". . . . .",
    ">": "#.. .#. ..# .#. #..",
    "s": "... .## #.. .## ##.",
    "m": "..... ..... ####. #.#.# #.#.#",
    "h": "#.. #.. ##. #.# #.#",
    "d": "..# ..# .## #.# .##",
    "k": "#.. #.# ##. ##. #.#",
    "M": "#...# ##.## #.#.# #...# #...#",
    "B": "##. #.# ##. #.# ##.",
    "T": "### .#. .#. .#. .#.",
}
_CELLS = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}


def big(text: str, scale: int = 1) -> list[str]:
    """Return a text as lines of blocks, all of one width: three, or five at scale 2.

    Raises KeyError for a character without a glyph.
    """
    rows = ["".join(_GLYPHS[char].split()[row] + "." for char in text)[:-1] for row in range(_ROWS)]
    pixels = [[pixel == "#" for pixel in row for _ in range(scale)] for row in rows for _ in range(scale)]
    if len(pixels) % 2:
        pixels.append([False] * len(pixels[0]))
    return ["".join(_CELLS[pair] for pair in zip(*pixels[y : y + 2], strict=True)) for y in range(0, len(pixels), 2)]


def big_cells(text: str, scale: int = 1) -> int:
    """Return the width of such a text."""
    return scale * (sum(len(_GLYPHS[char].split()[0]) + 1 for char in text) - 1)
