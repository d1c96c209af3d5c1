"""Problems of a ledger: skipped lines, misleading names, lost lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import msgspec

from budgauge.config.name import hidden
from budgauge.text import count, plural

if TYPE_CHECKING:
    from budgauge.ledger.last_seen import LastSeen
    from budgauge.ledger.ledger import Ledger


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A problem of the ledger to show to the person."""

    kind: str
    count: int
    message: str


_ODDITIES: Mapping[str, str] = {
    "total_mismatch": "with a total_tokens other than prompt plus completion; the larger was counted",
    "parts_clipped": "with parts (cached, cache-written, reasoning) larger than their whole; they were clipped",
    "id_conflict": "with a known id but other content; skipped",
    "undo_without_reset": "with an undo without a reset to undo; skipped",
    "second_end": "that settle or release an ended reservation; skipped",
}


def fold_problems(odd: Mapping[str, int]) -> tuple[Problem, ...]:
    """Return the problems of the records, from their number of each kind."""
    return tuple(
        Problem(kind=kind, count=number, message=f"{plural(number, 'line')} {_ODDITIES[kind]}")
        for kind, number in sorted(odd.items())
    )


def name_problems(names: Iterable[str]) -> tuple[Problem, ...]:
    """Return the problem of invisible characters in names: two may look the same."""
    found = sorted(name for name in names if hidden(name))
    if not found:
        return ()
    message = f"{plural(len(found), 'name')} with spaces at the ends or invisible characters, such as {found[0]!a}"
    return (Problem(kind="hidden_name", count=len(found), message=message),)


def ledger_problems(ledger: Ledger) -> tuple[Problem, ...]:
    """Return the problems of the file: skipped lines, and lost ones."""
    problems = []
    if ledger.fault_count:
        first = ledger.faults[0]
        where = "at byte" if ledger.fault_count == 1 else "the first at byte"
        message = f"{plural(ledger.fault_count, 'line')} skipped, no record; {where} {first.offset}: {first.reason}"
        problems.append(Problem(kind="set_aside", count=ledger.fault_count, message=message))
    if (lost := ledger.lost) is not None:
        message = f"{lost_words(lost, ledger.offset)}. Put the file back, or start again with: budgauge reset."
        problems.append(Problem(kind="lost_lines", count=1, message=message))
    return tuple(problems)


def lost_words(lost: LastSeen, size: int) -> str:
    """Return a sentence on a ledger of `size` bytes with lost lines."""
    was, moment = lost.mark.offset, datetime.fromtimestamp(lost.seen_at, timezone.utc)
    how = f"was longer before: {count(was)} bytes" if size < was else f"was another file before, of {count(was)} bytes"
    now = f"it has {count(size)} now" if size else "it is empty now"
    return f"the ledger {how} on {moment:%Y-%m-%d %H:%M} UTC; {now}, and the missing calls are not counted"
