"""Our command line in an agent's settings: made, and recognised."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence

_NAMING = ("--home", "--codex-home", "--cache-home", "--config", "--ledger")
"""Options that name files and folders."""
_BREAKS = frozenset(";|&")
_SIGNS = frozenset("();<>|&")
"""What `shlex` cuts off as signs of the shell where it is not quoted."""


def our_command(program: Sequence[str], caller: str, places: Mapping[str, str | None]) -> str:
    """The command line by which an agent calls us: the program's words, the agent's name, and places by option."""
    words = [*program, "hook", caller]
    for option in _NAMING:
        words += [option, value] if (value := places.get(option)) is not None else []
    return shlex.join(words)


def is_our_command(command: str) -> bool:
    """Return True if a command line runs `budgauge hook` and nothing else."""
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


def is_understood(command: str, caller: str) -> bool:
    """Return True if our command line has no mistakes: no unknown option, no other agent's name."""
    try:
        words = shlex.split(command)
    except ValueError:
        return False
    if "hook" not in words:
        return False
    at = words.index("hook")
    before, after = words[1:at], words[at + 1 :]
    if after[:1] == [caller]:
        after = after[1:]
    if "budgauge" in before:
        before = before[before.index("budgauge") + 1 :]
    return all(_names_files(options) for options in (before, after))


def _names_files(options: list[str]) -> bool:
    """Return True if these are our options alone, each with a value."""
    given = list(options)
    while given:
        name, has_value, value = given.pop(0).partition("=")
        if name not in _NAMING or not (value if has_value else given and given.pop(0)):
            return False
    return True


def _words(command: str) -> list[str]:
    """Return a command line's words, each of the shell's signs on its own. Raises ValueError."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    return list(lexer)
