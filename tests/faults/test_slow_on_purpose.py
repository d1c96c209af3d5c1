"""Ledgers that were made to be slow to read: the work grows with their size, and no faster.

Small here; `--full` takes the sizes that once took many seconds.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from zlib import crc32

import pytest

from budgauge.accounting import id_index
from budgauge.accounting.fold import Totals
from budgauge.accounting.id_index import IdIndex
from budgauge.accounting.records import Usage
from budgauge.ledger import checkpoint
from budgauge.ledger import ledger as ledger_module
from budgauge.ledger.ledger import Ledger
from steps import growth
from usage import importing, line, usage

Sized = Callable[[int, int], int]
LINEAR = 1.3
"""Times as much work for each line, at most."""


def of_one_crc32(count: int) -> list[str]:
    """Ids of the same CRC-32: it is linear, so three ids that differ in the same places make a fourth."""
    block = 8
    wanted: dict[int, bytes] = {}
    pair: tuple[bytes, bytes] | None = None
    for number in itertools.count():
        text = b"%0*x" % (block, number * 2654435761 % 2**32)
        other = wanted.setdefault(crc32(text), text)
        if other != text:
            pair = other, text
            break
    one, two = pair
    width = count.bit_length()
    return [b"".join(two if number >> bit & 1 else one for bit in range(width)).decode() for number in range(count)]


def of_one_bucket(count: int) -> list[str]:
    """Ids of different CRC-32s that have the lower bits in common."""
    texts = (f"{number:x}" for number in itertools.count())
    return list(itertools.islice((text for text in texts if not crc32(text.encode()) & 0xFFF), count))


def parts(count: int) -> list[str]:
    """The ids of a call and of what it grew by."""
    return ["x", *(f"x#{number}" for number in range(2, count + 1))]


CHOSEN: dict[str, Callable[[int], list[str]]] = {
    "one crc32": of_one_crc32,
    "parts of one call": parts,
    "one id": lambda count: ["x"] * count,
    "trailing NULs": lambda count: ["x" + "\0" * number for number in range(count)],
}


def written(path: Path, ids: Iterable[str], source: str | None) -> Path:
    path.write_bytes(b"".join(line("a", 1, 0, id=id, source=source) for id in ids))
    return path


def test_the_ids_are_what_they_are_called() -> None:
    ids = of_one_crc32(50)
    assert (len(set(ids)), len({crc32(id.encode()) for id in ids})) == (50, 1)


@pytest.mark.parametrize("source", [None, "codex"])
@pytest.mark.parametrize("chosen", CHOSEN.values(), ids=CHOSEN)
@pytest.mark.parametrize("kind", [Ledger, importing])
def test_chosen_ids_cost_no_more_than_others(
    tmp_path: Path,
    kind: Callable[[Path], Ledger],
    chosen: Callable[[int], list[str]],
    source: str | None,
    sized: Sized,
) -> None:
    size = sized(50, 1000)
    ledgers = {count: written(tmp_path / str(count), chosen(count), source) for count in (size, 4 * size)}
    assert growth(lambda count: kind(ledgers[count]).refresh(), size, 4) < 4 * LINEAR


def test_ids_of_one_bucket_are_spread() -> None:
    ids = of_one_bucket(500)
    for known in (IdIndex(1000), IdIndex(1000, keeps_all=True)):
        fill = Counter(known.digest(id) & id_index._MASK for id in ids)
        assert max(fill.values()) < 10


def test_each_index_hashes_in_its_own_way_and_keeps_it() -> None:
    one, two = IdIndex(10), IdIndex(10)
    assert one.digest("some id") != two.digest("some id")
    one.add(one.digest("some id"), 7)
    two.load_later(1, one.dump)
    assert list(two.places(two.digest("some id"))) == [7]
    every, again = IdIndex(10, keeps_all=True), IdIndex(10, keeps_all=True)
    every.add(every.digest("some id"), 7)
    again.load_later(1, every.dump)
    assert list(again.all_places(again.digest("some id"))) == [7]


def test_a_call_may_have_32_parts_and_later_ones_are_calls_of_their_own() -> None:
    totals = Totals()
    totals.add([usage("a", 1, 0, id=id) for id in parts(40)])
    (sums,) = totals.at(0).groups.values()
    assert (sums.calls, sums.prompt) == (1 + 8, 40)


def total_of(records: list[Usage]) -> int:
    totals = Totals()
    totals.add(records)
    return totals.at(0).spent_by_all[0]


def test_parts_in_any_order_count_once() -> None:
    records = [usage("a", 1, 0, id=id) for id in parts(40)]
    assert total_of(records[::-1] + records) == 40


def test_many_agents_cost_no_more_each_than_few(tmp_path: Path, sized: Sized, monkeypatch: pytest.MonkeyPatch) -> None:
    size, cache = sized(500, 20_000), tmp_path / "cache"
    monkeypatch.setattr(ledger_module, "DUE_BYTES", 1)
    # Each is kept whole, however long that takes.
    monkeypatch.setattr(checkpoint, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(ledger_module, "WAY_SECONDS", 1e9)
    ledgers = {count: tmp_path / str(count) for count in (size, 4 * size)}
    for count, path in ledgers.items():
        path.write_bytes(b"".join(line(f"agent-{number}/x", 1, 0) for number in range(count)))

    def read(count: int) -> None:
        ledger = Ledger(ledgers[count], cache=cache)
        ledger.refresh()
        assert ledger.totals.at(0).spent_by_all[0] == count

    assert growth(read, size, 4) < 4 * LINEAR, "from the start"
    assert growth(read, size, 4) < 4 * LINEAR, "from a checkpoint"
