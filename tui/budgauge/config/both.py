"""The two budgets in force in a folder: the user's own, and the project's."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from budgauge.config.load import Loaded, Options, load
from budgauge.errors import ConfigError

SET_ONE = "Set one: total_budget = 5_000_000 below [token_budget] in ~/.codex/config.toml"
"""Advice where no budget is set."""


class Budgets(msgspec.Struct, frozen=True):
    """The budgets of which each must allow a call."""

    user: Loaded | None
    """The user's own, as if there were no project; None if its config cannot be used."""
    project: Loaded | None = None
    """The project's; None if there is no project, or if its config cannot be used."""
    troubles: tuple[ConfigError, ...] = ()
    """Why a config cannot be used."""

    @property
    def all(self) -> tuple[Loaded, ...]:
        """Both, as far as they are there, the user's first."""
        return tuple(loaded for loaded in (self.user, self.project) if loaded is not None)


def load_budgets(
    options: Options = Options(), *, env: Mapping[str, str] | None = None, start: Path | None = None
) -> Budgets:
    """Load the user's budget, whatever is wrong with the project's, and the project's. `--config` names one alone."""
    env = os.environ if env is None else env
    troubles: dict[str, ConfigError] = {}
    joined = user = None
    try:
        joined = load(options, env=env, start=start)
    except ConfigError as error:
        troubles[str(error)] = error
    if joined is not None and joined.project is None:
        return Budgets(joined)
    try:
        user = load_user(options, env=env, start=start)
    except ConfigError as error:
        troubles[str(error)] = error
    return Budgets(user, joined, tuple(troubles.values()))


def budgets_asked(options: Options = Options()) -> tuple[Loaded, ...]:
    """Load the budgets asked for a record: a named ledger's alone, else also a project's. Raises ConfigError."""
    if options.ledger is not None:
        return (load(options),)
    budgets = load_budgets(options)
    if budgets.troubles:
        raise budgets.troubles[0]
    return budgets.all


def load_user(
    options: Options = Options(), *, env: Mapping[str, str] | None = None, start: Path | None = None
) -> Loaded:
    """Load the user's own budget, as in force beside a project's. Raises ConfigError."""
    user = load(options, env=env, start=start, with_project=False)
    if not user.budget_is_default:
        return user
    # Beside a project's budget, a total that nobody set refuses nothing.
    return msgspec.structs.replace(user, config=msgspec.structs.replace(user.config, total_budget=0))


def same_ledger(one: Loaded, other: Loaded) -> bool:
    """Return True if both budgets count by the same ledger."""
    return os.path.realpath(one.ledger.path) == os.path.realpath(other.ledger.path)
