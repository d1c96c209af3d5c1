"""The budgets that the gate asks, and what holds where it cannot decide."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from budgauge.config.both import load_budgets
from budgauge.config.find import config_files, missing_home, stranger
from budgauge.config.load import Loaded, Options, read_variables
from budgauge.config.table import MAX_BYTES, Keys
from budgauge.errors import BudgaugeError, ConfigError

_LOOSE = ("CODEX_TOKEN_BUDGET", "CODEX_TOKEN_WARNING_THRESHOLD")
"""Variables that a repository's settings may set for a hook."""
_STRINGS = re.compile(rb"""\"[^\"\n]*\"|'[^'\n]*'""")
_DENIES = re.compile(rb"""\bon_hook_error["']?\s*=\s*["']{1,3}deny["']""")


class Asked:
    """The user's budget and the project's, as the gate asks them."""

    def __init__(self, options: Options, env: Mapping[str, str], start: Path | None) -> None:
        self._options, self._env = options, env
        self.start = start
        """Where the session was begun, or where the agent is; None if neither is known."""
        found = load_budgets(options, env={key: env[key] for key in env if key not in _LOOSE}, start=start)
        self.troubles: list[Exception] = list(found.troubles)
        """Why a budget cannot be asked."""
        values: dict[Keys, Any] = {}
        try:
            values = read_variables(env)
        except ConfigError as error:
            self.troubles.append(error)
        self.budgets = [_lowered(loaded, values) for loaded in found.all]
        """Each must allow; the user's is the first."""

    @property
    def denies(self) -> bool:
        """Does the `on_hook_error` of a budget that can be asked refuse?"""
        return any(loaded.config.on_hook_error == "deny" for loaded in self.budgets)

    @property
    def remarks(self) -> dict[str, str]:
        """What a person should know of the surroundings, by name."""
        missing = None if self._options.config else missing_home(self._env)
        return {"CODEX_HOME": missing} if missing else {}


def possible_files(options: Options, env: Mapping[str, str], start: Path | None) -> Iterator[Path]:
    """The configs that may hold here, readable or not."""
    with suppress(BudgaugeError, OSError):
        start = start or Path.cwd()
        yield from [start / options.config] if options.config else config_files(start, env)


def any_says_deny(files: Iterable[Path]) -> bool:
    """Does the text of any config refuse where nothing can be decided? A file that cannot be read hides no other."""
    return any(map(_says_deny, files))


def _says_deny(path: Path) -> bool:
    """As well as can be told of a config that is broken somewhere."""
    with suppress(OSError, ValueError):
        if path.is_file() and not stranger(path.parent):
            with path.open("rb") as file:
                return any(map(_line_denies, file.read(MAX_BYTES).split(b"\n")))
    return False


def _line_denies(line: bytes) -> bool:
    found = _DENIES.search(line)
    return found is not None and b"#" not in _STRINGS.sub(b"", line[: found.start()])


def _lowered(loaded: Loaded, values: dict[Keys, Any]) -> Loaded:
    """The budget with the environment's values, which can lower its total and never raise it."""
    # Nobody chose the default budget, so nothing is refused by it.
    total = 0 if loaded.budget_is_default else loaded.config.total_budget
    said = values.get(("total_budget",), 0)
    total = min(total, said) if total and said else total or said
    threshold = values.get(("warning_threshold",))
    warning = loaded.config.warning_threshold if threshold is None else float(threshold)
    return msgspec.structs.replace(
        loaded, config=msgspec.structs.replace(loaded.config, total_budget=total, warning_threshold=warning)
    )
