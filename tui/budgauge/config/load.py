"""The config in force: layers joined key by key, and where each value came from."""

import os
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from budgauge.config.find import (
    LedgerLocation,
    codex_home,
    config_files,
    expanded,
    find_ledger,
    missing_home,
    project_folders,
    read_folder,
    stranger,
)
from budgauge.config.model import BudgetConfig, Cycle, Notify, PriceOverride, check_percent, check_tokens
from budgauge.config.table import TABLE, Keys, Table, check_table, fraction, misplaced, read_document
from budgauge.errors import ConfigError


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The caller's own settings, the strongest layer."""

    config: str | None = None
    """Replaces the user's and the project's config file."""
    ledger: str | None = None


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A config, with the origin of every value."""

    config: BudgetConfig
    ledger: LedgerLocation
    origins: dict[Keys, str]
    """key → file and line, or variable; keys that stand at their default are missing."""
    warnings: tuple[str, ...]
    files: tuple[Path, ...]
    """Every file that was read or would be, if it existed."""
    found: tuple[Path, ...]
    """The files that held a budget, weakest first."""
    emptied: tuple[Path, ...] = ()
    """Those of them whose table has no keys."""
    project: Path | None = None
    """The project's file, if it held a budget."""
    options: Options = Options()
    """The options that led here."""

    @property
    def sets_something(self) -> bool:
        """True if somebody set a budget or a limit, by which the gate can refuse."""
        return bool(self.config.per_agent_limits or (self.config.total_budget and not self.budget_is_default))

    @property
    def budget_is_default(self) -> bool:
        """True if nobody set the total budget."""
        return ("total_budget",) not in self.origins


def load(
    options: Options = Options(),
    *,
    env: Mapping[str, str] | None = None,
    start: Path | None = None,
    with_project: bool = True,
) -> Loaded:
    """Find and join the layers: user file, project file, environment, options. Raises ConfigError.

    `start` is the folder from which a project's config is looked for, the working directory by default.
    Without `with_project` the user's own budget is loaded, as if there were no project.
    """
    env = os.environ if env is None else env
    start = working_folder() if start is None else start
    project: Table | None = None
    user: Table | None
    warnings: list[str] = []
    if options.config is not None:
        files: tuple[Path, ...] = (start / expanded(options.config, env),)
        user = _read_named(files[0], warnings)
    else:
        files = config_files(start, env)
        if with_project:
            project = _read_project(start, env, warnings)
        if missing := missing_home(env):
            warnings.append(missing)
        user = read_folder(codex_home(env), warnings)
    tables = [table for table in (user, project) if table is not None]
    values, origins = _join(tables, env)
    warnings += [warning for table in tables for warning in table.warnings]
    warnings += [doubt for _, key, *_ in _VARIABLES if (doubt := _doubt(values, origins, key))]
    return Loaded(
        config=_build(values, origins),
        ledger=find_ledger(options.ledger, project, user, env, start),
        origins=origins,
        warnings=tuple(warnings),
        files=files,
        found=tuple(table.path for table in tables),
        emptied=tuple(table.path for table in tables if not table.values),
        project=project.path if project else None,
        options=options,
    )


def working_folder() -> Path:
    """Return the working directory. Raises ConfigError if removed."""
    try:
        return Path.cwd()
    except OSError as error:
        raise ConfigError(
            f"the working directory cannot be read: {error.strerror}", hint="Change to a folder that exists: cd"
        ) from error


def _read_named(path: Path, warnings: list[str]) -> Table:
    found = read_document(path)
    if found is None:
        raise ConfigError(f"{path}: no such file", hint="Name a TOML file with a [token_budget] table.")
    hints = misplaced(path, *found)
    if TABLE not in found[0]:
        advice = hints[0] if hints else f"Add the line [{TABLE}] and its keys below it."
        raise ConfigError(f"{path}: holds no [{TABLE}] table", hint=advice)
    warnings += hints
    return check_table(path, *found)


def _read_project(start: Path, env: Mapping[str, str], warnings: list[str]) -> Table | None:
    """Return the nearest project's budget. Folders passed over on the way become warnings."""
    for folder in project_folders(start, env):
        if reason := stranger(folder):
            warnings.append(reason)
        elif table := read_folder(folder, warnings):
            return table
    return None


def _doubt(values: dict[Keys, Any], origins: dict[Keys, str], key: str) -> str | None:
    """Return a warning where a variable sets a percentage like a fraction."""
    origin = origins.get((key,), "")
    return fraction(origin, key, values[key,]) if origin.startswith("$") else None


def read_variables(env: Mapping[str, str]) -> dict[Keys, Any]:
    """Return the values set by the environment, by key. Raises ConfigError."""
    return _join([], env)[0]


def _join(tables: list[Table], env: Mapping[str, str]) -> tuple[dict[Keys, Any], dict[Keys, str]]:
    values: dict[Keys, Any] = {}
    origins: dict[Keys, str] = {}
    for table in tables:
        replaced = {keys[:2] for keys in table.values if keys[0] == "prices"}
        for keys in [keys for keys in values if keys[:2] in replaced]:
            del values[keys], origins[keys]
        for keys, value in table.values.items():
            values[keys] = value
            line = table.lines.get(keys)
            origins[keys] = f"{table.path}, line {line}" if line else str(table.path)
    for variable, key, read, check in _VARIABLES:
        if text := env.get(variable):
            values[key,] = _checked(variable, read(text), check)
            origins[key,] = f"${variable}"
    return values, origins


def _read_integer(text: str) -> object:
    return int(text) if re.fullmatch(r"\s*[0-9]{1,17}\s*", text, re.ASCII) else text


def _read_decimal(text: str) -> object:
    return Decimal(text) if re.fullmatch(r"\s*[0-9]{1,9}(\.[0-9]{1,9})?\s*", text, re.ASCII) else text


_VARIABLES: tuple[tuple[str, str, Callable[[str], object], Callable[[str, object], None]], ...] = (
    ("CODEX_TOKEN_BUDGET", "total_budget", _read_integer, check_tokens),
    ("CODEX_TOKEN_WARNING_THRESHOLD", "warning_threshold", _read_decimal, check_percent),
)
"""(variable, the key it sets, how its text is read, what it may be)."""


def _checked(variable: str, value: object, check: Callable[[str, object], None]) -> object:
    try:
        check(f"${variable}", value)
    except ConfigError as error:
        raise ConfigError(str(error), hint=f"Correct the variable, or unset it: unset {variable}") from None
    return value


_PLAIN_KEYS = ("total_budget", "count", "sync", "on_hook_error", "language")


def _build(values: dict[Keys, Any], origins: dict[Keys, str]) -> BudgetConfig:
    """Build the config from checked values."""
    settings: dict[str, Any] = {key: values[key,] for key in _PLAIN_KEYS if (key,) in values}
    for key in ("warning_threshold", "untracked_buffer"):
        if (key,) in values:
            settings[key] = _number(values[key,])
    if ("collect", "agent") in values:
        settings["collect_agent"] = values["collect", "agent"]
    prices: dict[str, dict[str, Any]] = {}
    for keys, value in values.items():
        if keys[0] == "prices":
            prices.setdefault(keys[1], {})[keys[2]] = value
    return BudgetConfig(
        **settings,
        cycle=_cycle(_section(values, "cycle"), origins),
        notify=Notify(**_section(values, "notify")),
        per_agent_limits=_section(values, "per_agent_limits"),
        prices={model: _price(entry) for model, entry in prices.items()},
        price_factors={key: Decimal(value) for key, value in _section(values, "price_factors").items()},
    )


def _section(values: dict[Keys, Any], name: str) -> dict[str, Any]:
    """Return the values of a table, by their own keys."""
    return {keys[1]: value for keys, value in values.items() if keys[0] == name}


def _cycle(section: dict[str, Any], origins: dict[Keys, str]) -> Cycle | None:
    if not section:
        return None
    if "period" not in section:
        where = origins["cycle", next(iter(section))]
        raise ConfigError(f'{where}: {TABLE}.cycle has no period: must be "daily", "weekly" or "monthly"')
    cycle = Cycle(**section)
    if cycle.period == "weekly" and cycle.day > 7:
        where = origins["cycle", "day"]
        raise ConfigError(f"{where}: {TABLE}.cycle.day = {cycle.day}: must be an ISO weekday (1 to 7) for weekly")
    return cycle


def _price(entry: dict[str, Any]) -> PriceOverride:
    return PriceOverride(**{key: Decimal(value) for key, value in entry.items()})


def _number(value: Any) -> float:
    """Return a percentage as int if whole, to be shown as written."""
    return int(value) if value == int(value) else float(value)
