"""What the doctor says of budgets: whose is shown here, and how the user's own stands beside a project's."""

from __future__ import annotations

import time

from budgauge.authority.local import Local
from budgauge.config.both import load_user
from budgauge.config.load import Loaded
from budgauge.doctor.finding import Finding
from budgauge.status.snapshot import Snapshot, take_snapshot
from budgauge.status.standing import nearer, total_words


def budgets(loaded: Loaded) -> Finding:
    """Whose budget every command shows here. Raises ConfigError, LedgerReadError."""
    if loaded.options.config is not None:
        return Finding(name="budget", state="ok", message=f"that of {loaded.options.config} is shown, and no other")
    if loaded.project is None:
        return Finding(name="budget", state="ok", message="your own is shown; no project's config was found here")
    user = load_user(loaded.options)
    projects, users = _snapshot(loaded), _snapshot(user)
    message = "the project's is shown; your own must allow a call as well"
    details = (
        f"the project's, {loaded.project}: {total_words(projects)}, ledger {loaded.ledger.path}",
        f"your own: {total_words(users)}, ledger {user.ledger.path}",
    )
    standing = nearer(users, projects)
    if standing is None:
        return Finding(name="budget", state="ok", message=message, details=details)
    message = f"{message}, and is nearer its end: {standing.words}"
    if standing.state == "ok":
        return Finding(name="budget", state="ok", message=message, details=details)
    mend = "Look at your own outside the project: cd; budgauge status"
    return Finding(name="budget", state="warning", message=message, mend=mend, details=details)


def _snapshot(loaded: Loaded) -> Snapshot:
    """A budget as it stands. Raises LedgerReadError."""
    # Nothing is kept of the reading: nothing is changed here.
    budget = Local(loaded.config, loaded.ledger.path, keeps_cache=False)
    budget.refresh()
    return take_snapshot(budget.totals, loaded.config, budget.prices, now=time.time(), ledger=budget.name)
