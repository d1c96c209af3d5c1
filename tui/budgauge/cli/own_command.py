"""The command line by which agents call this very installation at their hooks."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from budgauge.config.find import expanded
from budgauge.config.load import Options, working_folder
from budgauge.errors import ConfigError
from budgauge.sources.settings.command import our_command


def own_command(asker: str, options: Options, env: Mapping[str, str]) -> str:
    """How an agent calls this installation, whatever its PATH, folder and environment are then.

    A config and a ledger that are not found by default stand in it by their absolute paths.
    Raises ConfigError where a path cannot be made absolute.
    """
    return our_command(
        _program(),
        asker,
        config=_absolute(options.config, env),
        ledger=_absolute(options.ledger or env.get("CODEX_TOKEN_LEDGER"), env),
    )


def _program() -> list[str]:
    """The program's words. Raises ConfigError where it could not be started as an agent starts it."""
    found = next((path for path in _scripts() if path.name == "budgauge" and path.is_file()), None)
    if found:
        return [os.path.abspath(found)]
    words = [sys.executable, apart(), "-m", "budgauge"]
    tried = subprocess.run([*words, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if tried.returncode:
        raise ConfigError(
            f"agents could not start budgauge: `{shlex.join(words)}` fails: {tried.stderr.strip()[-200:]}",
            hint="Install it where agents find it: pipx install .",
        )
    return words


def _scripts() -> Iterator[Path]:
    """Where this installation's script may be."""
    yield Path(sys.argv[0])
    yield Path(sys.executable).with_name("budgauge")


def apart(version: tuple[int, ...] = sys.version_info[:2]) -> str:
    """The flag with which Python imports nothing from the working folder.

    Before 3.11 only `-I` does that, which leaves PYTHONPATH and the user's own packages out as well.
    """
    return "-P" if version >= (3, 11) else "-I"


def _absolute(named: str | None, env: Mapping[str, str]) -> str | None:
    return str(working_folder() / expanded(named, env)) if named else None
