"""Text cut, wrapped and padded to terminal cells."""

from __future__ import annotations

from rich.cells import set_cell_size

from budgauge.text import fit, width


def wrap(text: str, cells: int, lines: int) -> list[str]:
    """Return a text in some lines of some cells; a longer one ends in an ellipsis."""
    if width(text) <= cells:
        return [text]
    words, out = text.split(" "), list[str]()
    while words and len(out) < lines - 1:
        line = words.pop(0)
        while words and width(line) + 1 + width(words[0]) <= cells:
            line += " " + words.pop(0)
        if width(line) > cells:
            head = fit(line, cells)[:-1]
            words.insert(0, line[len(head) :])
            line = head
        out.append(line)
    return [*out, fit(" ".join(words), cells)] if words else out


def shell_lines(words: tuple[str, ...], cells: int) -> list[str]:
    """Return a command to paste, continued with backslashes where wider than `cells`."""
    lines = [words[0]]
    for word in words[1:]:
        if width(lines[-1]) + 1 + width(word) + 2 <= cells or len(lines[-1]) <= 2:
            lines[-1] += " " + word
        else:
            lines[-1] += " \\"
            lines.append("  " + word)
    return lines


def placed(text: str, cells: int, right: bool = False) -> str:
    """Return a text cut and padded to some cells."""
    fitted = fit(text, cells)
    return " " * (cells - width(fitted)) + fitted if right else set_cell_size(fitted, cells)
