"""The index of a ledger's calls, kept in a cache folder: whatever becomes of it, it says what a fresh one says."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from budgauge.accounting.codec import encode
from budgauge.accounting.records import Batch, Usage
from budgauge.files.cache import read_cache, write_cache
from budgauge.ledger import checkpoint
from budgauge.ledger import ledger as ledger_module
from budgauge.ledger.ledger import Ledger
from budgauge.ledger.pages import parts_of
from usage import importing, line, usage

IDS = [f"x{number}" for number in range(60)]


def content(begin: int, end: int, *, more: int = 0) -> bytes:
    """The lines of some of these calls, in no order of time, every third of which grew, and of others between."""
    result = b""
    for number in random.Random(begin).sample(range(begin, end), end - begin):
        one = usage("a", number + 1 + more, 0, id=IDS[number], source="codex", timestamp=1_767_000_000 + number)
        result += encode(one) + line("b", 1, 0) + line("c", 1, 0, id=f"other{number}")
        if number % 3 == 0:
            result += encode(msgspec.structs.replace(one, id=f"{IDS[number]}#2"))
    return result


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the index of any ledger is kept at once."""
    monkeypatch.setattr(ledger_module, "DUE_BYTES", 1)
    monkeypatch.setattr(checkpoint, "PAUSE_SECONDS", 0.0)
    return tmp_path / "cache"


def known(booked: Ledger) -> dict[str, object]:
    """What an index says."""
    booked.refresh()
    return {**{id: parts_of(id, booked.find) for id in IDS}, "earliest": booked.earliest_import}


def assert_as_fresh(ledger: Path, cache: Path, booked: Ledger | None = None) -> None:
    assert known(booked or importing(ledger, cache)) == known(importing(ledger))


@pytest.fixture(params=["ids", "fold"])
def part(request: pytest.FixtureRequest) -> str:
    """The file that something happens to: the ids, or the sums that they belong to."""
    return request.param  # type: ignore[no-any-return]  # one of the above


def kept(cache: Path, part: str = "ids") -> Path:
    (path,) = cache.glob(f"*.{part}")
    return path


def make(ledger: Path, cache: Path, part: str = "ids") -> Path:
    """A ledger of half of the calls, and its kept index."""
    ledger.write_bytes(content(0, 30))
    importing(ledger, cache).refresh()
    return kept(cache, part)


def test_it_finds_every_call_with_what_continues_it(ledger: Path) -> None:
    ledger.write_bytes(content(0, 30))
    booked = importing(ledger)
    booked.refresh()
    for number, id in enumerate(IDS):
        parts = parts_of(id, booked.find)
        assert [part.prompt_tokens for part in parts] == [number + 1] * ((2 - (number % 3 > 0)) if number < 30 else 0)
    assert len(parts_of("other1", booked.find)) == 1, "an id is taken, whoever wrote its record"
    assert booked.earliest_import == 1_767_000_000


def test_of_two_records_of_one_id_the_first_counts(ledger: Path) -> None:
    ledger.write_bytes(line("a", 1, 0, id="x0", source="s") + line("a", 2, 0, id="x0", source="s"))
    booked = importing(ledger)
    booked.refresh()
    assert [part.prompt_tokens for part in parts_of("x0", booked.find)] == [1]


def test_what_was_kept_is_not_read_again(ledger: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(ledger, cache)
    taken: list[Usage] = []
    take = Ledger._take

    def note(self: Ledger, batch: Batch) -> None:
        taken.extend(record for record in batch.records if isinstance(record, Usage))
        take(self, batch)

    with ledger.open("ab") as file:
        file.write(content(30, 31))
    monkeypatch.setattr(Ledger, "_take", note)
    booked = importing(ledger, cache)
    booked.refresh()
    assert {record.id for record in taken} <= {"x30", "x30#2", None, "other30"}
    monkeypatch.undo()
    assert_as_fresh(ledger, cache, booked)


def test_a_short_ledger_needs_no_index(ledger: Path, tmp_path: Path) -> None:
    ledger.write_bytes(content(0, 30))
    importing(ledger, tmp_path / "cache").refresh()
    assert not list((tmp_path / "cache").glob("*.ids"))


def test_a_flipped_byte_anywhere(ledger: Path, cache: Path, part: str, sized: Callable[[int, int], int]) -> None:
    path = make(ledger, cache, part)
    whole = path.read_bytes()
    chance = random.Random(1)
    places = [*range(40), *(chance.randrange(len(whole)) for _ in range(sized(40, 2000))), len(whole) - 1]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        assert_as_fresh(ledger, cache)


def test_an_index_cut_short_anywhere(ledger: Path, cache: Path, part: str, sized: Callable[[int, int], int]) -> None:
    path = make(ledger, cache, part)
    whole = path.read_bytes()
    chance = random.Random(2)
    for size in [*range(12), *(chance.randrange(len(whole)) for _ in range(sized(30, 2000))), len(whole) - 1]:
        path.write_bytes(whole[:size])
        assert_as_fresh(ledger, cache)
    path.write_bytes(whole + b"x")
    assert_as_fresh(ledger, cache)


@pytest.mark.parametrize("other", [b"", b"\xc1", b"[]", b"\x90", b"\x91" * 100_000, b"\x01", b"\xa3abc"])
def test_an_index_of_another_kind(ledger: Path, cache: Path, part: str, other: bytes) -> None:
    assert write_cache(make(ledger, cache, part), other)
    assert_as_fresh(ledger, cache)


def test_an_index_of_another_version(ledger: Path, cache: Path) -> None:
    path = make(ledger, cache)
    path = path.with_suffix(".fold")
    kept = msgspec.msgpack.decode(read_cache(path) or b"")
    assert write_cache(path, msgspec.msgpack.encode({**kept, "version": kept["version"] + 1, "earliest_import": 5.0}))
    assert_as_fresh(ledger, cache)


def test_an_index_made_for_another_ledger(ledger: Path, cache: Path) -> None:
    other = ledger.with_name("other.jsonl")
    other.write_bytes(content(20, 60, more=100))
    importing(other, cache).refresh()
    foreign = kept(cache).read_bytes()
    kept(cache).unlink()
    path = make(ledger, cache)
    path.write_bytes(foreign)
    assert_as_fresh(ledger, cache)


@pytest.mark.parametrize("stands_there", [os.mkfifo, os.mkdir, lambda path: path.symlink_to(path)])
def test_an_index_that_is_no_file(ledger: Path, cache: Path, part: str, stands_there: Callable[[Path], None]) -> None:
    path = make(ledger, cache, part)
    path.unlink()
    stands_there(path)
    assert_as_fresh(ledger, cache)


def truncated(ledger: Path) -> None:
    data = ledger.read_bytes()
    with ledger.open("rb+") as file:
        file.truncate(data.rfind(b"\n", 0, len(data) // 2) + 1)


def emptied(ledger: Path) -> None:
    with ledger.open("rb+") as file:
        file.truncate(0)


def gone(ledger: Path) -> None:
    ledger.unlink()


def rewritten(ledger: Path) -> None:
    """The same file with other content, and longer."""
    with ledger.open("rb+") as file:
        file.write(content(20, 60, more=100))
        file.truncate()


def restored(ledger: Path) -> None:
    """An older state, to which other calls were added until it was longer."""
    truncated(ledger)
    with ledger.open("ab") as file:
        file.write(content(30, 60, more=7))


def restored_as_another_file(ledger: Path) -> None:
    copy = ledger.with_name("copy")
    copy.write_bytes(ledger.read_bytes())
    truncated(copy)
    os.replace(copy, ledger)


def replaced(ledger: Path) -> None:
    other = ledger.with_name("copy")
    other.write_bytes(content(20, 60, more=100))
    os.replace(other, ledger)


def replaced_by_a_copy(ledger: Path) -> None:
    other = ledger.with_name("copy")
    other.write_bytes(ledger.read_bytes())
    os.replace(other, ledger)


def rotated(ledger: Path) -> None:
    ledger.rename(ledger.with_name("ledger.1"))
    ledger.write_bytes(content(40, 50))


def torn(ledger: Path) -> None:
    with ledger.open("ab") as file:
        file.write(content(30, 31)[:-9])


FATES = [
    *(truncated, emptied, gone, rewritten, restored, restored_as_another_file),
    *(replaced, replaced_by_a_copy, rotated, torn),
]


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("again", [None, *FATES])
def test_whatever_becomes_of_the_ledger(
    ledger: Path, cache: Path, fate: Callable[[Path], None], again: Callable[[Path], None] | None
) -> None:
    """Once or twice: to an index that is kept alone, and to one that also runs on."""
    make(ledger, cache)
    running, quiet = importing(ledger, cache), importing(ledger)
    for booked in (running, quiet):
        booked.refresh()
    for change in (fate, again):
        if change is None or not ledger.exists():
            continue
        change(ledger)
        assert_as_fresh(ledger, cache)
        assert_as_fresh(ledger, cache, running)
    assert_as_fresh(ledger, cache, quiet)


def test_a_call_that_grew_in_a_line_that_was_torn_then(ledger: Path, cache: Path) -> None:
    make(ledger, cache)
    whole = line("a", 5, 0, id="x59", source="codex")
    with ledger.open("ab") as file:
        file.write(whole[:20])
    booked = importing(ledger, cache)
    assert_as_fresh(ledger, cache, booked)
    with ledger.open("ab") as file:
        file.write(whole[20:])
    assert_as_fresh(ledger, cache, booked)
    assert [part.prompt_tokens for part in parts_of("x59", booked.find)] == [5]
