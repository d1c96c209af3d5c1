"""Calls from agents' logs come into a ledger once, and what they grow by is added, whoever books them when."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgauge.accounting.codec import decode, encode
from budgauge.accounting.deduplicator import KNOWN_IDS
from budgauge.accounting.records import MAX_COUNT, Usage
from budgauge.errors import LedgerWriteError
from budgauge.ledger import ledger as ledger_module
from budgauge.sources.importer import Importer
from faults.crew import Outcome, fold
from usage import importing, usage

Kinds = tuple[int, ...]
"""Fresh, cached, written to cache, of that for an hour, completion, of that reasoning."""


def call(id: str, *kinds: int, session: str = "s1", **fields: Any) -> Usage:
    """A call of so many tokens of each kind; missing ones are 0."""
    fresh, cached, write, hour, completion, reasoning = (*kinds, *[0] * 6)[:6]
    parts = {"cached_tokens": cached, "cache_write_tokens": write}
    parts |= {"cache_write_1h_tokens": hour, "reasoning_tokens": reasoning}
    said: dict[str, Any] = {name: tokens or None for name, tokens in parts.items()}
    fixed = {"agent_id": "codex", "project": "/p", "source": "codex"}
    return usage(prompt=fresh + cached + write, completion=completion, id=id, session=session, **said, **fixed | fields)


def kinds(record: Usage) -> Kinds:
    cached, write = record.cached_tokens or 0, record.cache_write_tokens or 0
    fresh, hour = record.prompt_tokens - cached - write, record.cache_write_1h_tokens or 0
    return fresh, cached, write, hour, record.completion_tokens, record.reasoning_tokens or 0


def lines(ledger: Path) -> list[Usage]:
    batch = decode(ledger.read_bytes())
    assert not batch.faults
    return [record for record in batch.records if isinstance(record, Usage)]


def sums(records: Iterable[Usage]) -> dict[str, Kinds]:
    """Tokens of each kind by call, its continuations included."""
    by_call: dict[str, list[Kinds]] = defaultdict(list)
    for record in records:
        by_call[(record.id or "").partition("#")[0]].append(kinds(record))
    return {id: tuple(map(sum, zip(*rows, strict=True))) for id, rows in by_call.items()}


@pytest.fixture
def importer(ledger: Path) -> Importer:
    return Importer(importing(ledger))


def test_a_new_call_is_recorded_as_it_is(ledger: Path, importer: Importer) -> None:
    one = call("x", 10, 5, 3, 2, 4, 1)
    assert importer.add([one]) == ["recorded"]
    assert lines(ledger) == [one]


@pytest.mark.parametrize("again", [(10, 5, 3, 2, 4, 1), (1, 0, 0, 0, 1, 0), (9, 5, 3, 2, 4, 1)])
def test_a_call_booked_before_with_as_much_is_known(ledger: Path, importer: Importer, again: Kinds) -> None:
    importer.add([call("x", 10, 5, 3, 2, 4, 1)])
    before = ledger.read_bytes()
    for later in (importer, Importer(importing(ledger))):
        assert later.add([call("x", *again), call("x", *again, session="s2")]) == ["known", "replayed"]
    assert ledger.read_bytes() == before


def test_what_a_call_grew_by_is_added_kind_by_kind_for_whom_it_was_booked(ledger: Path, importer: Importer) -> None:
    own: dict[str, Any] = {"agent_id": "codex/a", "model": "m1", "timestamp": 1_767_000_000}
    first = call("x", 10, 5, 3, 2, 4, 1, **own)
    importer.add([first])
    other: dict[str, Any] = {**own, "session": "s2", "timestamp": 1_767_000_059, "project": "/q"}
    assert importer.add([call("x", 12, 5, 4, 3, 9, 2, **other)]) == ["grown"]
    assert Importer(importing(ledger)).add([call("x", 1, 50, 0, 0, 0, 0, **other)]) == ["grown"]
    assert importer.add([call("x", 12, 50, 4, 3, 9, 2, **other)]) == ["replayed"]
    assert lines(ledger) == [first, call("x#2", 2, 0, 1, 1, 5, 1, **own), call("x#3", 0, 45, 0, 0, 0, 0, **own)]


def test_a_call_may_stand_several_times_in_what_is_booked_at_once(ledger: Path, importer: Importer) -> None:
    told: list[Usage] = []
    importer = Importer(importing(ledger), count=told.extend)
    several = [call("x", 1), call("y", 5), call("x", 3), call("x", 2, session="s2"), call("x", 4)]
    assert importer.add(several) == ["recorded", "recorded", "grown", "replayed", "grown"]
    assert told == lines(ledger)
    assert sums(told) == {"x": (4, 0, 0, 0, 0, 0), "y": (5, 0, 0, 0, 0, 0)}


def test_more_than_is_booked_under_one_lock(ledger: Path, importer: Importer) -> None:
    many = [call(f"x{number}", number) for number in range(1, 352)]
    assert importer.add(many) == ["recorded"] * 351
    assert Importer(importing(ledger)).add(many[::-1]) == ["known"] * 351
    assert lines(ledger) == many


def test_nothing_to_book_makes_no_ledger(ledger: Path, importer: Importer) -> None:
    assert importer.add([]) == []
    assert not ledger.exists()


@pytest.mark.parametrize("bad", [{"agent_id": ""}, {"model": "x" * 9999}, {"prompt_tokens": -1}, {"session": "\ud800"}])
def test_a_call_that_must_not_be_written_is_set_aside(ledger: Path, importer: Importer, bad: dict[str, Any]) -> None:
    assert importer.add([call("x", 1), call("bad", 1, **bad), call("y", 2)]) == ["recorded", "skipped", "recorded"]
    assert [record.id for record in lines(ledger)] == ["x", "y"]


def test_a_growth_that_must_not_be_written_is_set_aside(ledger: Path, importer: Importer) -> None:
    importer.add([call("x", 1)])
    assert importer.add([call("x", MAX_COUNT, MAX_COUNT)]) == ["skipped"]
    assert importer.add([call("x", 2)]) == ["grown"]


def test_ids_that_look_like_continuations_are_calls_of_their_own(ledger: Path, importer: Importer) -> None:
    importer.add([call("x", 1), call("x#3", 7)])
    assert importer.add([call("x", 2), call("x#3", 7), call("x#3", 9)]) == ["grown", "known", "grown"]
    assert [(record.id, record.prompt_tokens) for record in lines(ledger)][2:] == [("x#2", 1), ("x#3#2", 2)]


def test_a_call_of_which_a_fold_knows_nothing_any_more_is_not_counted_twice(ledger: Path) -> None:
    first = call("x", 10)
    later = b"".join(encode(call(f"y{number}", 1)) for number in range(KNOWN_IDS + 1))
    ledger.write_bytes(encode(first) + later)
    importer = Importer(importing(ledger))
    assert importer.add([first, call("x", 15)]) == ["known", "grown"]
    with ledger.open("ab") as file:
        file.write(later.replace(b'"y', b'"z'))
    for late in (importer, Importer(importing(ledger))):
        assert late.add([first, call("x", 15), call("y0", 1)]) == ["known"] * 3
    assert fold(ledger) == {"codex": 15 + 2 * (KNOWN_IDS + 1)}


def failing(real: Callable[..., Any], nth: int, error: int) -> Callable[..., Any]:
    uses = iter(range(1, 1_000_000))

    def fail(*args: Any) -> Any:
        if next(uses) == nth:
            raise OSError(error, os.strerror(error))
        return real(*args)

    return fail


@pytest.mark.parametrize("name", ["write", "fdatasync", "lseek"])
def test_what_could_not_be_booked_is_booked_when_it_is_tried_again(tmp_path: Path, name: str) -> None:
    calls = [call("x", 1), call("y", 2), call("x", 4), *(call(f"z{number}", 1) for number in range(150))]
    for nth in (1, 2, 3, 4, 120):
        ledger = tmp_path / f"{nth}.jsonl"
        importer = Importer(importing(ledger, sync=True))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, name, failing(getattr(os, name), nth, errno.EIO))
            if name != "fdatasync" or nth <= 2:
                with pytest.raises(LedgerWriteError):
                    importer.add(calls)
        for again in (importer, Importer(importing(ledger))):
            again.add(calls)
        assert sums(lines(ledger)) == {**{f"z{n}": kinds(calls[3]) for n in range(150)}, **sums(calls[1:3])}
        assert fold(ledger) == {"codex": 4 + 2 + 150}


_BOOKING = """
import random, sys
from pathlib import Path
from budgauge.sources.importer import Importer
from budgauge.ledger.ledger import Ledger
from budgauge.accounting.record_checks import make_usage
ledger, cache, seed, calls, steps = sys.argv[1:]
chance = random.Random(int(seed))
importer = Importer(Ledger(Path(ledger), cache=Path(cache), keeps_all_ids=True))
work = [(number, step) for step in range(1, int(steps) + 1) for number in range(int(calls))]
size = 1
while work:
    part, work = work[:size], work[size:]
    chance.shuffle(part)
    importer.add([
        make_usage("codex", "m", 10 * step, number, timestamp=1, id=f"x{number}", session=f"s{seed}", source="codex")
        for number, step in part
    ])
    size = chance.randrange(1, 40)
"""


def test_processes_that_book_the_same_growing_calls_count_each_once(
    ledger: Path, sized: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    processes, calls, steps = sized(3, 16), sized(60, 500), sized(4, 10)
    command = [sys.executable, "-W", "error", "-c", _BOOKING, str(ledger), str(ledger.parent)]
    numbers = [str(calls), str(steps)]
    bookers = [subprocess.Popen([*command, str(seed), *numbers]) for seed in range(processes)]
    assert [booker.wait() for booker in bookers] == [0] * processes
    outcome = Outcome.of(ledger)
    assert (outcome.faults, max(outcome.ids.values())) == (0, 1)
    assert sums(lines(ledger)) == {f"x{n}": (10 * steps, 0, 0, 0, n, 0) for n in range(calls)}
    assert fold(ledger) == {"codex": 10 * steps * calls + sum(range(calls))}
    figure(
        f"importer: {processes} processes book the same {calls:,} calls, each growing {steps} times: "
        f"0 lost, 0 doubled, in {len(lines(ledger)):,} lines"
    )


COUNTS = st.tuples(*[st.integers(0, 9)] * 6).map(lambda row: (*row[:3], min(row[2:4]), row[4], min(row[4:])))
COPIES = st.tuples(st.sampled_from("xyz"), COUNTS.filter(lambda row: sum(row) > 0), st.sampled_from(["s1", "s2"]))
STEPS = st.lists(st.tuples(st.lists(COPIES, min_size=1), st.sampled_from(["", "anew", "lost", "torn"])), max_size=8)


@given(STEPS)
def test_copies_in_any_order_add_up_to_the_most_of_each_kind(steps: list[tuple[list[Any], str]]) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger_module, "DUE_BYTES", 1)
        ledger, cache = Path(folder, "ledger.jsonl"), Path(folder, "cache")
        importer, most = Importer(importing(ledger, cache)), dict[str, Kinds]()
        for copies, then in steps:
            importer.add([call(id, *counts, session=session) for id, counts, session in copies])
            for id, counts, _ in copies:
                most[id] = tuple(map(max, counts, most.get(id, counts)))
            check_most(ledger, most)
            if then == "torn":
                with ledger.open("ab") as file:
                    file.write(b'{"agent_id":')
            elif then:
                for kept in cache.glob("*") if then == "lost" else ():
                    kept.unlink()
                importer = Importer(importing(ledger, cache))


def check_most(ledger: Path, most: dict[str, Kinds]) -> None:
    records = [record for record in decode(ledger.read_bytes()).records if isinstance(record, Usage)]
    found = sums(records)
    assert found.keys() == most.keys()
    for id, counts in found.items():
        fresh, cached, write, hour, completion, reasoning = most[id]
        assert (*counts[:3], counts[4]) == (fresh, cached, write, completion)
        # What grew alone cannot be told: a record holds no part without its whole.
        assert counts[3] <= hour
        assert counts[5] <= reasoning
    assert len({record.id for record in records}) == len(records)
    assert sum(fold(ledger).values()) == sum(sum((*row[:3], row[4])) for row in most.values())


def test_a_record_is_told_of_once_it_is_on_the_disk(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Usage] = []
    importer = Importer(importing(ledger, sync=True), count=told.extend)

    def fails(_fd: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fails)
        with pytest.raises(LedgerWriteError):
            importer.add([usage(id="x", source="s")])
    assert told == []
    assert importer.add([usage(id="x", source="s")]) == ["recorded"]
    assert [record.id for record in told] == ["x"]


def test_of_what_a_call_grew_by_no_part_is_larger_than_its_whole(ledger: Path, importer: Importer) -> None:
    """What was written for an hour may only come to be known later; then it is no growth of its own."""
    importer.add([call("x", 10, 0, 4, 1, 5, 1)])
    assert importer.add([call("x", 12, 0, 5, 5, 6, 6)]) == ["grown"]
    assert kinds(lines(ledger)[1]) == (2, 0, 1, 1, 1, 1)
    assert importer.add([call("x", 13, 0, 5, 5, 6, 6)]) == ["grown"]
    assert kinds(lines(ledger)[2]) == (1, 0, 0, 0, 0, 0)
