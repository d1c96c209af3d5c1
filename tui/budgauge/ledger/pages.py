"""The entry of a call from an agent's log in a ledger: the missing part, and the names to use.

A long Codex thread has several files, its pages. Versions of this program before pages were known gave the
calls of all pages the same names, `codex:THREAD:NUMBER`, and entered of each only what exceeded the others.
Such a version may still run beside this one, or have written the ledger. So a call of a later page,
`codex:THREAD:PAGE:NUMBER`, is looked up under its old name too, and so much is entered under the old name that
such a version finds nothing missing. Where this takes a line, its alias names it as a part of the page's call.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence

import msgspec

from budgauge.accounting.continuation import MAX_PARTS
from budgauge.accounting.records import CLAIM, PART, Usage
from budgauge.ledger.own import own_parts, parts_of_response
from budgauge.ledger.relays import under_own_id

TAKEN = "~"
"""Between a call's id, which another's record has, and what makes it another."""
_FREE_TRIES = 3
"""So many other ids are tried that are found again when the call is read again."""
_LATER_PAGE = re.compile(r"(codex:.+):[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}:([0-9]+)")

Find = Callable[[str], "Usage | None"]
"""id or alias → the first record in the ledger that has it."""


def continued(id: str, part: int) -> str:
    """Return the id of a call's record, or of a later one for a later report of the same call."""
    return id if part == 1 else f"{id}{PART}{part}"


def parts_of(id: str, find: Find) -> list[Usage]:
    """Return the records under an id: the first and the parts after the first, MAX_PARTS at most."""
    found: list[Usage] = []
    while len(found) < MAX_PARTS and (record := find(continued(id, len(found) + 1))) is not None:
        found.append(record)
    return found


class Entry(msgspec.Struct, frozen=True):
    """The records of a call in a ledger, and the lines to write."""

    booked: Sequence[Usage]
    """The records that count as this call."""
    lines: Sequence[Usage]
    """The records to write, in this order."""

    @property
    def spends(self) -> bool:
        """Return True if the lines hold any tokens."""
        return any(line.total_tokens for line in self.lines)


def entry(call: Usage, find: Find) -> Entry:
    """Find the missing part of a call with an id."""
    call = under_own_id(call, find)
    id = call.id or ""
    page = _LATER_PAGE.fullmatch(id)
    if page is not None:
        return _page_entry(call, id, f"{page[1]}:{page[2]}", find)
    alias = call.alias
    if alias is not None and find(id) is None and (other := find(alias)) is not None and other.source != call.source:
        # Some servers give every answer the same id: another call of the same logs is not this one.
        told = parts_of(alias, find)
        if len(parts_of_response(told, call)) == len(told) < MAX_PARTS:
            return _added(call, told, continued(alias, len(told) + 1), find)
    return _entered(call, [], find)


def _page_entry(call: Usage, id: str, old_id: str, find: Find) -> Entry:
    parts, old = parts_of(id, find), parts_of(old_id, find)
    mine = own_parts(parts, call)
    claims = [part.alias.removesuffix(CLAIM) for part in mine if part.alias and part.alias.endswith(CLAIM)]
    claimed = own_parts([record for record in old if record.id in claims], call)
    if len(mine) < len(parts) or len(parts) + 1 >= MAX_PARTS or len(old) == MAX_PARTS:
        return _entered(call, claimed, find)
    lines: list[Usage] = []
    same = [record for record in old if (record.agent_id, record.model) == (call.agent_id, call.model)]
    if not claims and (found := _claimable(call, same, find)) is not None:
        lines.append(_empty(call, continued(id, len(parts) + 1), f"{found.id}{CLAIM}"))
        claimed = [found]
    own = [*parts, *claimed]
    if own or (same and more_than(call, same) is None):
        added = _added(call, own, continued(id, len(parts) + len(lines) + 1), find)
        return Entry(added.booked, [*lines, *added.lines])
    # An older version would miss the call: it is entered under the old id.
    whole = msgspec.structs.replace(call, id=continued(old_id, len(old) + 1), alias=continued(id, 2))
    return Entry([], [_empty(call, id, _free_alias(call, find)), whole])


def _entered(call: Usage, booked: list[Usage], find: Find) -> Entry:
    """Find the id for a call: the call's own, or another if records of another call have the former."""
    for id in _ids(call):
        parts = parts_of(id, find)
        of_this_page = _own(parts, find)
        mine = own_parts(of_this_page, call)
        booked = [*booked, *mine]
        if len(mine) == len(of_this_page) and len(parts) < MAX_PARTS:
            return _added(call, booked, continued(id, len(parts) + 1), find)
    return _added(call, booked, f"{call.id}{TAKEN}{os.urandom(8).hex()}", find)


def _ids(call: Usage) -> Iterator[str]:
    """Yield the possible ids of a call. Nobody can guess beforehand how large the prompt is."""
    assert call.id is not None
    yield call.id
    for number in range(_FREE_TRIES):
        yield f"{call.id}{TAKEN}{call.prompt_tokens}.{number}"


def _added(call: Usage, booked: Sequence[Usage], id: str, find: Find) -> Entry:
    """Return the entry for the part of a call beyond the recorded one, under this id."""
    rest = more_than(call, booked) if booked else msgspec.structs.replace(call, alias=_free_alias(call, find))
    return Entry(booked, [msgspec.structs.replace(rest, id=id)] if rest else [])


def _free_alias(call: Usage, find: Find) -> str | None:
    return None if call.alias is None or find(call.alias) is not None else call.alias


def _own(parts: Sequence[Usage], find: Find) -> list[Usage]:
    """Return the records under an old id without those of a later page."""
    return [part for part in parts if not _is_moved(part) and find(f"{part.id}{CLAIM}") is None]


def _is_moved(record: Usage) -> bool:
    return record.alias is not None and PART in record.alias


def _claimable(call: Usage, old: Sequence[Usage], find: Find) -> Usage | None:
    """Return an older version's record of this call: the excess over the records before."""
    for index, record in enumerate(old):
        if index == 0:
            fits = record.timestamp == call.timestamp and [*_kinds(record)] == [*_kinds(call)]
        else:
            rest = more_than(call, old[:index])
            fits = rest is not None and [*_kinds(rest)] == [*_kinds(record)]
        if fits and _own([record], find):
            return record
    return None


def _empty(call: Usage, id: str, alias: str | None) -> Usage:
    """Make a line without tokens, to give a call a name."""
    return msgspec.structs.replace(
        call,
        id=id,
        alias=alias,
        prompt_tokens=0,
        completion_tokens=0,
        total_tokens=0,
        cached_tokens=None,
        cache_write_tokens=None,
        cache_write_1h_tokens=None,
        reasoning_tokens=None,
        web_search_requests=None,
    )


def more_than(call: Usage, parts: Sequence[Usage]) -> Usage | None:
    """Return the part of a call beyond the recorded one, as the record to add; None if nothing.

    Each kind of token on its own: of two copies of a call the larger figure is the later one. It
    belongs to the agent, the session and the moment for which the call was booked.
    """
    assert call.id is not None
    booked = [sum(column) for column in zip(*map(_kinds, parts), strict=True)]
    fresh, cached, write, write_1h, completion, reasoning = (
        max(0, now - before) for now, before in zip(_kinds(call), booked, strict=True)
    )
    prompt = fresh + cached + write
    searches = max(0, (call.web_search_requests or 0) - sum(part.web_search_requests or 0 for part in parts))
    if not prompt + completion + searches:
        return None
    first = parts[0]
    return Usage(
        first.agent_id,
        first.model,
        prompt,
        completion,
        prompt + completion,
        first.timestamp,
        cached_tokens=cached or None,
        cache_write_tokens=write or None,
        cache_write_1h_tokens=min(write_1h, write) or None,
        reasoning_tokens=min(reasoning, completion) or None,
        id=continued(call.id, len(parts) + 1),
        session=first.session,
        project=first.project,
        source=first.source or call.source,
        service_tier=first.service_tier,
        speed=first.speed,
        inference_geo=first.inference_geo,
        web_search_requests=searches or None,
    )


def _kinds(call: Usage) -> Iterator[int]:
    """Yield the kinds of tokens: fresh, read from cache, written to cache, for an hour, completion, reasoning."""
    cached, write = call.cached_tokens or 0, call.cache_write_tokens or 0
    yield call.prompt_tokens - cached - write
    yield from (cached, write, call.cache_write_1h_tokens or 0)
    yield from (call.completion_tokens, call.reasoning_tokens or 0)
