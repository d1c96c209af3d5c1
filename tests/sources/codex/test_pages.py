"""A thread of several pages: every call of each counts, whatever version wrote the ledger or writes beside this one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from budgauge.accounting.codec import decode, encode
from budgauge.accounting.fold import Totals
from budgauge.accounting.records import Usage
from budgauge.ledger.pages import continued, more_than
from budgauge.sources.collector import Collector
from budgauge.sources.importer import Importer
from sources.rollouts import PARENT, Log
from sources.sinks import Sink, codex
from usage import importing

PAGE, THIRD = "01a20b50-7c6e-71b0-ac6d-b55d744bbb24", "01a20b51-7c6e-71b0-ac6d-b55d744bbb24"
TOTAL = 100 + 200 + 300 + 40 + 400 + 100 + 40


def write_pages(home: Path, *, records: bool = False) -> None:
    """Three pages: the third begins like the second, as if the same prompt was sent again."""
    tell = Log.record if records else Log.call
    first = Log(ordinals=True).meta().turn("gpt-5.5")
    tell(tell(first, 100, 0, 10, 0), 200, 50, 20, 5)
    second = Log().page_of(first, PAGE).turn("gpt-5.5")
    tell(tell(tell(second, 300, 20, 5, 1), 40, 10, 4, 0), 400, 0, 40, 0)
    third = Log().page_of(second, THIRD).turn("o3")
    tell(tell(third, 100, 20, 5, 1), 40, 10, 4, 0)
    for log in (first, second, third):
        log.write(home)


def collect(home: Path) -> list[str]:
    importer = Importer(importing(home / "ledger"))
    Collector(importer, [codex(home)]).collect()
    return [record.id or "" for record in recorded(home)]


def recorded(home: Path) -> list[Usage]:
    content = (home / "ledger").read_bytes() if (home / "ledger").exists() else b""
    return [record for record in decode(content).records if isinstance(record, Usage)]


def prompts(home: Path) -> int:
    return sum(record.prompt_tokens for record in recorded(home))


def collect_by_older(home: Path) -> None:
    """Collect as versions did that knew no pages: by the number in the file alone, and without aliases."""
    sink = Sink()
    Collector(sink, [codex(home)]).collect()
    calls: dict[str, Usage] = {}
    for record in sink.calls:
        page_id = (record.alias if record.alias and "#" in record.alias else record.id or "").partition("#")[0]
        if record.total_tokens:
            calls[page_id] = record
    found = {record.id: record for record in recorded(home)}
    with (home / "ledger").open("ab") as ledger:
        for page_id, call in calls.items():
            thread, number = page_id.split(":")[1], page_id.split(":")[-1]
            old, parts = f"codex:{thread}:{number}", list[Usage]()
            while (part := found.get(continued(old, len(parts) + 1))) is not None:
                parts.append(part)
            call = msgspec.structs.replace(call, id=old, alias=None)
            rest = more_than(call, parts) if parts else call
            if rest is not None:
                found[rest.id] = rest
                ledger.write(encode(rest))


def test_every_page_counts_once(tmp_path: Path) -> None:
    write_pages(tmp_path)
    ids = collect(tmp_path)
    assert prompts(tmp_path) == TOTAL
    assert {id for id in ids if PAGE not in id and THIRD not in id} >= {f"codex:{PARENT}:1", f"codex:{PARENT}:2"}
    assert {f"codex:{PARENT}:{PAGE}:{number}" for number in (1, 2, 3)} < set(ids)
    assert collect(tmp_path) == ids


def test_a_dry_run_says_what_is_recorded(tmp_path: Path) -> None:
    write_pages(tmp_path, records=True)
    sink = Sink()
    report = Collector(sink, [codex(tmp_path)]).collect()
    collect(tmp_path)
    assert sink.calls == recorded(tmp_path)
    assert report.sources[0].calls == 7


def test_the_ledger_counts_each_call_once_under_its_response(tmp_path: Path) -> None:
    write_pages(tmp_path, records=True)
    collect(tmp_path)
    records, totals = recorded(tmp_path), Totals()
    totals.add(records)
    [cycle] = totals.cycles.values()
    assert sum(sums.calls for sums in cycle.groups.values()) == 7
    assert sum(sums.prompt for sums in cycle.groups.values()) == TOTAL
    aliases = Counter(record.alias for record in records if record.alias and "#" not in record.alias)
    assert len(aliases) == aliases.total() == 7
    assert not totals.seen.set_aside


@pytest.mark.parametrize("records", [False, True])
@pytest.mark.parametrize("turns", ["on", "no", "onon", "nono", "oonn"])
def test_an_older_version_before_or_beside_doubles_nothing_and_loses_nothing(
    tmp_path: Path, turns: str, records: bool
) -> None:
    write_pages(tmp_path, records=records)
    for turn in turns:
        (collect if turn == "n" else collect_by_older)(tmp_path)
    assert prompts(tmp_path) == TOTAL


def test_a_ledger_of_an_older_version_is_completed_with_the_difference(tmp_path: Path) -> None:
    write_pages(tmp_path)
    collect_by_older(tmp_path)
    before = recorded(tmp_path)
    assert sum(record.prompt_tokens for record in before) < TOTAL
    collect(tmp_path)
    assert recorded(tmp_path)[: len(before)] == before
    assert prompts(tmp_path) == TOTAL


@pytest.mark.parametrize("records", [False, True])
@pytest.mark.parametrize("turns", ["on", "no", "ono", "oonn"])
def test_a_call_that_an_older_version_recorded_is_one_call(tmp_path: Path, turns: str, records: bool) -> None:
    write_pages(tmp_path, records=records)
    for turn in turns:
        (collect if turn == "n" else collect_by_older)(tmp_path)
    totals = Totals()
    totals.add(recorded(tmp_path))
    [cycle] = totals.cycles.values()
    assert sum(sums.calls for sums in cycle.groups.values()) == 7


def test_a_writer_that_dies_between_two_lines_loses_and_doubles_nothing(tmp_path: Path) -> None:
    write_pages(tmp_path)
    collect(tmp_path)
    lines = (tmp_path / "ledger").read_bytes().splitlines(keepends=True)
    for kept in range(len(lines)):
        (tmp_path / "ledger").write_bytes(b"".join(lines[:kept]))
        collect(tmp_path)
        assert prompts(tmp_path) == TOTAL


def test_a_response_that_is_booked_under_its_own_id_is_not_booked_again(tmp_path: Path) -> None:
    log = Log().meta().turn().record(100, 0, 10, 0, response="resp_1").record(50, 0, 5, 0, response="resp_2")
    log.write(tmp_path)
    other = Usage("codex", "gpt-5-codex", 90, 10, 100, 1_764_000_000, id="resp_1", source="gateway")
    (tmp_path / "ledger").write_bytes(encode(other))
    ids = collect(tmp_path)
    assert ids == ["resp_1", "resp_1#2", f"codex:{PARENT}:2"]
    assert prompts(tmp_path) == 150
    totals = Totals()
    totals.add(recorded(tmp_path))
    assert totals.known(msgspec.structs.replace(recorded(tmp_path)[2], id="resp_2", alias=None)) is True


def test_one_response_id_for_every_answer_is_no_name_of_a_call(tmp_path: Path) -> None:
    log = Log().meta().turn()
    for size in (100, 50, 30):
        log.record(size, 0, 1, 0, response="r").record(size + 1, 0, 1, 0, response=f"r{size}")
    log.write(tmp_path)
    collect(tmp_path)
    totals = Totals()
    totals.add(recorded(tmp_path))
    assert prompts(tmp_path) == 363
    assert not totals.seen.set_aside
