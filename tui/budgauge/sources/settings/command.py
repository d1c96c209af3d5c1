"""A command line of ours in an agent's settings: how it is made, and how it is known again."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

_NAMING = ("--config", "--ledger")
_BREAKS = frozenset(";|&")
_SIGNS = frozenset("();<>|&")
"""What `shlex` cuts off as signs of the shell where it is not quoted."""


def our_command(program: Sequence[str], asker: str, *, config: str | None = None, ledger: str | None = None) -> str:
    """The command line by which an agent calls us: the program's words, the agent's name, and files by their paths."""
    words = [*program, "hook", asker]
    for option, value in zip(_NAMING, (config, ledger), strict=True):
        words += [option, value] if value is not None else []
    return shlex.join(words)


def is_our_command(command: str) -> bool:
    """Return whether a command line runs `budgauge hook` and nothing else, with the agent's name in it or without."""
    try:
        program, *words = _words(command)
    except ValueError:
        return False
    if any(set(word) <= _SIGNS and set(word) & _BREAKS for word in words):
        return False  # somebody's own script with more in it
    flags = next((at for at, word in enumerate(words) if word not in ("-P", "-I")), len(words))
    if words[flags : flags + 2] == ["-m", "budgauge"]:
        words = words[flags + 2 :]
    elif os.path.basename(program) != "budgauge":
        return False
    plain = [word for at, word in enumerate(words) if not at or words[at - 1] not in _NAMING]
    return "hook" in plain and "install" not in plain


def _words(command: str) -> list[str]:
    """A command line's words, signs of the shell each on its own. Raises ValueError."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    return list(lexer)
