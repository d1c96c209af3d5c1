"""Configs that refuse where nothing can be decided, recognised by their text, however broken.

The standard library alone: it is asked where nothing else could be loaded, too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

MAX_BYTES = 1 << 20
"""A longer config file is refused."""
NAMES = ("token_budget.toml", "config.toml")
"""Either file of a `.codex` folder may hold the table. The first is read instead of the second: Codex warns of
tables it does not know."""
_STRINGS = re.compile(rb"""\"[^\"\n]*\"|'[^'\n]*'""")
_DENIES = re.compile(rb"""\bon_hook_error["']?\s*=\s*["']{1,3}deny["']""")


def any_says_deny(files: Iterable[Path]) -> bool:
    """Return True if any config's text refuses where nothing can be decided. Unreadable files are passed over."""
    return any(map(_says_deny, files))


def nearby_files(env: Mapping[str, str]) -> Iterator[Path]:
    """Yield the user's files, and those above the working folder that belong to the user or to root."""
    with suppress(OSError, RuntimeError):
        own = Path(env.get("CODEX_HOME") or "~/.codex").expanduser()
        yield from (own / name for name in NAMES)
    with suppress(OSError):
        here = Path.cwd()
        for path in (folder / ".codex" / name for folder in (here, *here.parents) for name in NAMES):
            with suppress(OSError):
                if {path.lstat().st_uid, path.stat().st_uid, path.parent.stat().st_uid} <= {os.geteuid(), 0}:
                    yield path


def _says_deny(path: Path) -> bool:
    with suppress(OSError, ValueError):
        if path.is_file():
            with path.open("rb") as file:
                return any(map(_line_denies, file.read(MAX_BYTES).split(b"\n")))
    return False


def _line_denies(line: bytes) -> bool:
    found = _DENIES.search(line)
    return found is not None and b"#" not in _STRINGS.sub(b"", line[: found.start()])
