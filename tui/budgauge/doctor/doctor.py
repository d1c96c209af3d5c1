"""The doctor's checks of config, ledger and surroundings. Nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from budgauge.config.load import Loaded, Options, load
from budgauge.doctor.agents import gate, logs, sessions
from budgauge.doctor.budgets import budgets
from budgauge.doctor.dates import dates
from budgauge.doctor.finding import Finding, fail, ok, warn
from budgauge.doctor.ledger import checkpoint, ledger, lines, lock
from budgauge.doctor.prices import prices
from budgauge.doctor.surroundings import file_system, space, watching
from budgauge.errors import BudgaugeError, ConfigError

Check = Callable[[Loaded], Finding]


def config(loaded: Loaded) -> Finding:
    """Check the config for warnings."""
    where = ", ".join(map(str, loaded.found)) or "none; every value is the default"
    if loaded.warnings:
        return warn(f"read: {where}", "Correct or remove what is named below.", loaded.warnings)
    budget = "the total budget is the default" if loaded.budget_is_default else "the total budget is set"
    return ok(f"read: {where}; {budget}")


_CHECKS: tuple[tuple[str, Check], ...] = (
    ("config", config),
    ("ledger", ledger),
    ("space", space),
    ("file system", file_system),
    ("watching", watching),
    ("lines", lines),
    ("dates", dates),
    ("lock", lock),
    ("checkpoint", checkpoint),
    ("prices", prices),
    ("budget", budgets),
    ("agents' logs", logs),
    ("gate", gate),
    ("sessions", sessions),
)
_READING = (lines, lock, checkpoint, prices, budgets, logs, dates)
"""Checks that would only repeat the trouble with the ledger itself."""


def examine(options: Options) -> Iterator[Finding]:
    """Yield the finding of every check. A check that fails is an error found, never an exception."""
    try:
        loaded = load(options)
    except ConfigError as error:
        yield msgspec.structs.replace(fail(str(error), error.hint), name="config")
        return
    is_usable = True
    for name, check in _CHECKS:
        if is_usable or check not in _READING:
            finding = _checked(check, loaded)
            is_usable &= name != "ledger" or finding.state != "error"
            yield msgspec.structs.replace(finding, name=name)


def _checked(check: Check, loaded: Loaded) -> Finding:
    try:
        return check(loaded)
    except BudgaugeError as error:
        return fail(str(error), error.hint)
    except OSError as error:
        return fail(f"cannot be looked at: {error}", "Check the disk.")
    except Exception as error:  # whatever it is, it must be seen
        # The other checks are still worth having.
        message = f"cannot be looked at: {type(error).__name__}: {error}"
        return fail(message, "This is a fault of budgauge: report it.")
