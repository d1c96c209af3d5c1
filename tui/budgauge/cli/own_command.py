"""The command line in agents' hooks: this very installation."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from budgauge.config.both import load_user
from budgauge.config.find import DEFAULT, codex_home, expanded, home_folder
from budgauge.config.load import Options, working_folder
from budgauge.errors import ConfigError
from budgauge.sources.settings.command import our_command


def own_command(caller: str, options: Options, env: Mapping[str, str]) -> str:
    """Return an agent's command for this installation, valid for any PATH, folder and environment.

    The command names the folders of the user's budget, and a config and a ledger other than the
    default ones: a repository's environment variables change none of them.
    Raises ConfigError where a path cannot be made absolute.
    """
    ledger = options.ledger or env.get("CODEX_TOKEN_LEDGER") or _moved_ledger(options, env)
    named = {
        "--home": str(home_folder(env)),
        "--codex-home": env.get("CODEX_HOME"),
        "--cache-home": env.get("XDG_CACHE_HOME") or None,
        "--config": options.config,
        "--ledger": ledger,
    }
    return our_command(_program(env), caller, {option: _absolute(name, env) for option, name in named.items()})


def _moved_ledger(options: Options, env: Mapping[str, str]) -> str | None:
    """Return the default ledger if the environment names its data folder."""
    if not env.get("XDG_DATA_HOME"):
        return None
    place = load_user(options, env=env).ledger
    return str(place.path) if place.origin == DEFAULT and place.path.parent != codex_home(env) else None


def _program(env: Mapping[str, str]) -> list[str]:
    """Return the program's words. Raises ConfigError if an agent could not start the program."""
    script = next((path for path in _scripts() if path.name == "budgauge" and path.is_file()), None)
    # An empty entry in PYTHONPATH means the working folder.
    if env.get("PYTHONPATH") and not _failure(alone := [sys.executable, "-I", "-m", "budgauge"]):
        return alone
    if script:
        return [os.path.abspath(script)]
    words = [sys.executable, apart(), "-m", "budgauge"]
    if failure := _failure(words):
        raise ConfigError(
            f"agents could not start budgauge: `{shlex.join(words)}` fails: {failure}",
            hint="Install it where agents find it: pipx install .",
        )
    return words


def _failure(words: list[str]) -> str:
    """Return the reason why a program cannot be started; "" if it can."""
    done = subprocess.run([*words, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return (done.stderr.strip()[-200:] or f"exit code {done.returncode}") if done.returncode else ""


def _scripts() -> Iterator[Path]:
    """Yield the places of this installation's script."""
    yield Path(sys.argv[0])
    yield Path(sys.executable).with_name("budgauge")


def apart(version: tuple[int, ...] = sys.version_info[:2]) -> str:
    """Return Python's flag against imports from the working folder.

    Before 3.11 that is `-I`, which also ignores PYTHONPATH and the user's own packages.
    """
    return "-P" if version >= (3, 11) else "-I"


def _absolute(named: str | None, env: Mapping[str, str]) -> str | None:
    return str(working_folder() / expanded(named, env)) if named else None
