"""The doctor's check of budgets: the one shown here, and the user's own beside a project's."""

from __future__ import annotations

import time

from budgauge.authority.local import Local
from budgauge.config.both import load_user
from budgauge.config.load import Loaded
from budgauge.doctor.finding import Finding, ok, warn
from budgauge.status.snapshot import Snapshot, take_snapshot
from budgauge.status.standing import nearer, total_words


def budgets(loaded: Loaded) -> Finding:
    """Name the budget shown by every command here. Raises ConfigError, LedgerReadError."""
    if loaded.options.config is not None:
        return ok(f"that of {loaded.options.config} is shown, and no other")
    if loaded.project is None:
        return ok("your own is shown; no project's config was found here")
    user = load_user(loaded.options)
    projects, users = _snapshot(loaded), _snapshot(user)
    message = "the project's is shown; your own must allow a call as well"
    details = (
        f"the project's, {loaded.project}: {total_words(projects)}, ledger {loaded.ledger.path}",
        f"your own: {total_words(users)}, ledger {user.ledger.path}",
    )
    standing = nearer(users, projects)
    if standing is None:
        return ok(message, details)
    message = f"{message}, and is nearer its end: {standing.words}"
    if standing.state == "ok":
        return ok(message, details)
    return warn(message, "Look at your own outside the project: cd; budgauge status", details)


def _snapshot(loaded: Loaded) -> Snapshot:
    """Return a budget's snapshot. Raises LedgerReadError."""
    budget = Local(loaded.config, loaded.ledger.path, keeps_cache=False)
    budget.refresh()
    return take_snapshot(budget.totals, loaded.config, budget.prices, now=time.time(), ledger=budget.name)
