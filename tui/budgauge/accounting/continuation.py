"""Which records continue a call of which a ledger holds earlier records: `x#2` adds to `x`. Pure."""

from __future__ import annotations

from budgauge.accounting.records import CLAIM, PART, Usage

MAX_PARTS = 32
"""A call that many records add to: a later one counts as a call of its own. Finding the parts must stay quick."""
_LATER_PARTS = frozenset(map(str, range(2, MAX_PARTS + 1)))


def continues(usage: Usage) -> bool:
    """Return True if a record may belong to the call of earlier records."""
    if usage.alias is None:  # as nearly all: this is asked of every record that has an id
        return usage.id is not None and PART in usage.id
    return usage.id is not None and (PART in _part_name(usage) or _claimed(usage) is not None)


def earlier_ids(usage: Usage) -> list[str] | None:
    """Return the ids of the earlier records of the same call, the first one first; None if its names tell of none."""
    if (claimed := _claimed(usage)) is not None:
        return [claimed]
    id, _, part = _part_name(usage).rpartition(PART)
    if part not in _LATER_PARTS:
        return None
    return [id, *(f"{id}{PART}{number}" for number in range(2, int(part)))]


def _claimed(usage: Usage) -> str | None:
    """The id of an older version's whole record, if a line without tokens only renames that record."""
    alias = usage.alias or ""
    is_claim = alias.endswith(CLAIM) and PART not in alias and not usage.total_tokens
    return alias.removesuffix(CLAIM) if is_claim else None


def _part_name(usage: Usage) -> str:
    """The name of the call that a record may continue: an alias that is a part's name, else the id."""
    return usage.alias if usage.alias is not None and PART in usage.alias else usage.id or ""
