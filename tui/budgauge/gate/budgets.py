"""The budgets asked by the gate, and the policy where no decision is possible."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from budgauge.config.both import load_budgets
from budgauge.config.find import config_files, missing_home, stranger
from budgauge.config.load import Loaded, Options, read_variables
from budgauge.config.table import Keys
from budgauge.errors import BudgaugeError, ConfigError

_LOOSE = ("CODEX_TOKEN_BUDGET", "CODEX_TOKEN_WARNING_THRESHOLD")
"""Variables that a repository's settings may set for a hook."""


class Budgets:
    """The user's budget and the project's, for the gate."""

    def __init__(self, options: Options, env: Mapping[str, str], start: Path | None) -> None:
        self._options, self._env = options, env
        self.start = start
        """The folder where the session began, else the agent's present folder; None if neither is known."""
        found = load_budgets(options, env={key: env[key] for key in env if key not in _LOOSE}, start=start)
        self.troubles: list[Exception] = list(found.troubles)
        """The reasons why a budget cannot be asked."""
        values: dict[Keys, Any] = {}
        try:
            values = read_variables(env)
        except ConfigError as error:
            self.troubles.append(error)
        self.all = [_lowered(loaded, values) for loaded in found.all]
        """The readable budgets, the user's first; each must allow."""

    @property
    def denies(self) -> bool:
        """Return True if the `on_hook_error` of any readable budget is "deny"."""
        return any(loaded.config.on_hook_error == "deny" for loaded in self.all)

    @property
    def remarks(self) -> dict[str, str]:
        """Remarks for the person on the surroundings, by name."""
        missing = None if self._options.config else missing_home(self._env)
        return {"CODEX_HOME": missing} if missing else {}


def possible_files(options: Options, env: Mapping[str, str], start: Path | None) -> Iterator[Path]:
    """Yield the configs in question here, readable or not, except other users' files."""
    with suppress(BudgaugeError, OSError):
        start = start or Path.cwd()
        found = [start / options.config] if options.config else config_files(start, env)
        yield from (path for path in found if not stranger(path.parent))


def _lowered(loaded: Loaded, values: dict[Keys, Any]) -> Loaded:
    """Return the budget with the environment's values: these can lower a total, never raise one."""
    # The default budget was never chosen, so it refuses nothing.
    total = 0 if loaded.budget_is_default else loaded.config.total_budget
    said = values.get(("total_budget",), 0)
    total = min(total, said) if total and said else total or said
    threshold = values.get(("warning_threshold",))
    warning = loaded.config.warning_threshold if threshold is None else float(threshold)
    return msgspec.structs.replace(
        loaded, config=msgspec.structs.replace(loaded.config, total_budget=total, warning_threshold=warning)
    )
