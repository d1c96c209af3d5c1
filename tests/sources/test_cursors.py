"""How far logs are booked is kept between collections: what was read is not read again, what is untrue not believed."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgauge.accounting.records import Usage
from budgauge.files.cache import read_cache, write_cache
from budgauge.sources.collector import Collector
from budgauge.sources.cursors import CursorFile
from budgauge.sources.dry_run import DryRun
from budgauge.sources.importer import Importer, Outcome
from sources.collecting import Home
from sources.rollouts import CHILD, START, Log
from sources.sessions import OTHER, Session, tokens
from sources.sinks import codex
from usage import importing, line

AGENTS = ("codex", "claude-code")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    for agent in AGENTS:
        for spent in (10, 20, 30):
            home.grow(agent, spent)
    return home


def bytes_read(home: Home, *agents: str, **options: Any) -> tuple[int, ...]:
    return tuple(source.bytes for source in home.collect(*agents, **options).sources)


def test_nothing_is_opened_again_where_nothing_is_new(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home.collect().records == 6
    opened: list[str] = []
    real = os.open

    def note(path: Any, *args: Any, **options: Any) -> int:
        opened.append(str(path))
        return real(path, *args, **options)

    monkeypatch.setattr(os, "open", note)
    report = home.collect()
    assert (report.records, [source.bytes for source in report.sources]) == (0, [0, 0])
    assert [path for path in opened if "rollout" in path or "projects" in path] == []
    monkeypatch.undo()
    home.assert_booked()


@pytest.mark.parametrize("agent", AGENTS)
def test_only_what_is_new_is_read(home: Home, agent: str) -> None:
    home.collect()
    log = home.codex if agent == "codex" else home.claude
    before = len(log.data)
    home.grow(agent)
    grown = len(log.data) - before
    assert bytes_read(home) == ((grown, 0) if agent == "codex" else (0, grown))
    home.assert_booked()


def test_a_line_that_was_cut_is_read_when_it_is_whole(home: Home) -> None:
    path = home.codex.write(home.folder / ".codex")
    for size in range(len(home.codex.data) - 300, len(home.codex.data), 7):
        path.write_bytes(home.codex.data[:size])
        home.collect()
    home.write()
    home.collect()
    home.assert_booked()


def test_a_log_that_moved_is_not_read_again(home: Home) -> None:
    home.collect()
    archive = home.folder / ".codex" / "archived_sessions"
    archive.mkdir()
    path = home.codex.write(home.folder / ".codex")
    path.rename(archive / path.name)
    assert bytes_read(home) == (0, 0)


@pytest.mark.parametrize("agent", AGENTS)
def test_a_log_written_anew_is_read_from_its_start(home: Home, agent: str) -> None:
    home.collect()
    if agent == "codex":
        path, data = home.codex.write(home.folder / ".codex"), home.codex.data
    else:
        path, data = home.claude.write(home.folder / ".claude"), home.claude.data
    for content in (data[: data.rindex(b"\n", 0, -1) + 1], data):
        path.with_name("new").write_bytes(content)
        os.replace(path.with_name("new"), path)
        assert home.collect().records == 0
    home.assert_booked()


def lost(home: Home) -> None:
    home.kept.unlink()


def all_caches_lost(home: Home) -> None:
    shutil.rmtree(home.cache)


def flipped(home: Home) -> None:
    data = bytearray(home.kept.read_bytes())
    data[random.Random(1).randrange(len(data))] ^= 4
    home.kept.write_bytes(data)


def cut(home: Home) -> None:
    home.kept.write_bytes(home.kept.read_bytes()[:-3])


def emptied(home: Home) -> None:
    home.kept.write_bytes(b"")


def of_another_version(home: Home) -> None:
    version, *rest = msgspec.msgpack.decode(read_cache(home.kept) or b"")
    assert write_cache(home.kept, msgspec.msgpack.encode([version + 1, *rest]))


def of_another_kind(home: Home) -> None:
    assert write_cache(home.kept, b"\x93\x01\x02\x03")


def a_fifo(home: Home) -> None:
    path = home.kept
    path.unlink()
    os.mkfifo(path)


def parsers_unreadable(home: Home) -> None:
    version, mark, below, cursors = msgspec.msgpack.decode(read_cache(home.kept) or b"")
    for logs in cursors.values():
        for cursor in logs.values():
            cursor[3] = b"\xc1"
    assert write_cache(home.kept, msgspec.msgpack.encode([version, mark, below, cursors]))


FATES = [lost, all_caches_lost, flipped, cut, emptied, of_another_version, of_another_kind, a_fifo, parsers_unreadable]


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("grows", [False, True])
def test_cursors_that_cannot_be_used_cost_time_alone(home: Home, fate: Callable[[Home], None], grows: bool) -> None:
    home.collect()
    fate(home)
    if grows:
        for agent in AGENTS:
            home.grow(agent)
    assert home.collect().records == 2 * grows
    home.assert_booked()
    if fate not in (a_fifo, parsers_unreadable):
        assert bytes_read(home) == (0, 0), "and are kept again"


def test_cursors_of_an_older_state_double_nothing(home: Home) -> None:
    home.collect()
    older = home.kept.read_bytes()
    for agent in AGENTS:
        home.grow(agent)
    home.collect()
    home.kept.write_bytes(older)
    assert home.collect().records == 0
    home.assert_booked()


def test_a_cache_folder_that_cannot_be_written_costs_time_alone(home: Home) -> None:
    home.cache.write_text("")
    assert (home.collect().records, home.collect().records) == (6, 0)
    home.assert_booked()


def ledger_gone(home: Home) -> None:
    home.ledger.unlink()


def ledger_emptied(home: Home) -> None:
    home.ledger.write_bytes(b"")


def ledger_cut(home: Home) -> None:
    home.ledger.write_bytes(home.ledger.read_bytes()[:-100])


def ledger_restored(home: Home) -> None:
    """As it was when half of it was written, and others have added to it until it was longer."""
    data = home.ledger.read_bytes()
    with home.ledger.open("rb+") as file:
        file.truncate(data.index(b"\n", len(data) // 2) + 1)
        file.seek(0, os.SEEK_END)
        file.write(line("other", 1, 0) * 20)


def ledger_replaced(home: Home) -> None:
    home.ledger.with_name("new").write_bytes(line("other", 1, 0) * 50)
    os.replace(home.ledger.with_name("new"), home.ledger)


def ledger_rewritten(home: Home) -> None:
    home.ledger.write_bytes(line("other", 1, 0) * 50)


def ledger_rotated(home: Home) -> None:
    home.ledger.rename(home.ledger.with_name("ledger.1"))


@pytest.mark.parametrize("grows", [False, True])
@pytest.mark.parametrize(
    "fate",
    [ledger_gone, ledger_emptied, ledger_cut, ledger_restored, ledger_replaced, ledger_rewritten, ledger_rotated],
)
def test_cursors_are_not_believed_beside_another_ledger(home: Home, fate: Callable[[Home], None], grows: bool) -> None:
    home.collect()
    fate(home)
    if grows:
        home.grow("codex")
    home.collect()
    home.assert_booked(torn=fate is ledger_cut)
    assert bytes_read(home) == (0, 0)


def test_cursors_kept_when_nothing_was_booked_are_of_that_ledger_too(home: Home) -> None:
    home.collect()
    home.codex.turn("o3")
    home.write()
    assert home.collect().records == 0
    home.ledger.unlink()
    home.collect()
    home.assert_booked()


class Restored(Importer):
    """Someone puts an older copy of the ledger back right after something was booked."""

    def add(self, calls: Sequence[Usage]) -> list[Outcome]:
        outcomes = super().add(calls)
        self.ledger.path.with_name("new").write_bytes(line("other", 1, 0))
        os.replace(self.ledger.path.with_name("new"), self.ledger.path)
        return outcomes


def test_a_ledger_replaced_while_it_is_collected_into_is_another_ledger(home: Home) -> None:
    home.collect_by(Restored(importing(home.ledger, home.cache)))
    home.collect()
    home.assert_booked()


def test_what_was_left_out_as_too_old_comes_in_when_it_is_wanted(home: Home) -> None:
    assert home.collect(since=START + 4).records == 1
    assert bytes_read(home, since=START + 4) == (0, 0)
    assert bytes_read(home, since=START + 9) == (0, 0), "from later on, nothing more can be wanted"
    home.grow("codex", 40)
    grown = home.collect(since=START + 4).sources[0]
    assert grown.calls == 1
    assert grown.bytes < len(home.codex.data)
    assert home.collect(since=START + 3).records == 1
    assert home.collect().records == 4
    home.assert_booked()
    assert bytes_read(home) == (0, 0)


def test_logs_too_old_to_be_opened_are_read_when_they_are_wanted(home: Home) -> None:
    for path in home.folder.rglob("*.jsonl"):
        os.utime(path, (START, START))
    assert bytes_read(home, since=START + 1000) == (0, 0)
    assert home.collect().records == 6
    home.assert_booked()


@pytest.mark.parametrize("first", AGENTS)
def test_collecting_one_agent_keeps_the_cursors_of_the_other(home: Home, first: str) -> None:
    second = AGENTS[1 - AGENTS.index(first)]
    for agent in (first, second):
        home.collect(agent)
    home.grow(first)
    assert home.collect(first).records == 1
    assert bytes_read(home) == (0, 0)
    home.assert_booked()


def test_another_project_is_another_collection(home: Home) -> None:
    Log(CHILD).meta(cwd="/p/app").turn().call(5, 0, 1, 0).write(home.folder / ".codex")
    Session(OTHER).said("p", tokens(5, 1), cwd="/p/app/deep").write(home.folder / ".claude")
    project = Path("/p/app")
    assert home.collect(only_below=project).records == 2
    assert bytes_read(home, only_below=project) == (0, 0)
    assert home.collect(only_below=Path("/p")).records == 0
    assert home.collect().records == 6
    home.assert_booked()
    assert home.collect(only_below=project).records == 0
    home.assert_booked()


def test_a_dry_run_uses_cursors_and_keeps_none(home: Home) -> None:
    home.collect()
    home.grow("codex")
    before = home.kept.read_bytes()
    ledger = importing(home.ledger)
    ledger.refresh()
    cursors = CursorFile(home.cache, ledger, writes=False)
    new: list[Usage] = []
    Collector(DryRun(ledger, new.extend), [codex(home.folder / ".codex")], cursors=cursors).collect()
    assert len(new) == 1
    assert home.kept.read_bytes() == before
    assert home.collect().records == 1


STEPS = st.sampled_from(
    [
        *(("grow", agent) for agent in AGENTS),
        *(("collect", *agents) for agents in ((), ("codex",), ("claude-code",))),
        *(("since", ago) for ago in (0, 1, 5)),
        *(("lose",), ("note",), ("recall",), ("forget",), ("cut",)),
    ]
)


class Story:
    """A home and what happens in it."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self._noted = b""
        self._noted_ledger = b""

    def play(self, step: tuple[Any, ...]) -> None:
        kind, *rest = step
        getattr(self, f"_{kind}")(*rest)

    def _grow(self, agent: str) -> None:
        self.home.grow(agent, 1 + len(self.home.codex.data) % 90)

    def _collect(self, *agents: str) -> None:
        self.home.collect(*agents)

    def _since(self, ago: int) -> None:
        self.home.collect(since=max(self.home.codex.time, self.home.claude.time) - ago)

    def _lose(self) -> None:
        shutil.rmtree(self.home.cache, ignore_errors=True)

    def _note(self) -> None:
        self._noted_ledger = self.home.ledger.read_bytes() if self.home.ledger.exists() else b""

    def _recall(self) -> None:
        """The ledger as it was noted."""
        self.home.ledger.with_name("new").write_bytes(self._noted_ledger)
        os.replace(self.home.ledger.with_name("new"), self.home.ledger)

    def _forget(self) -> None:
        self.home.ledger.unlink(missing_ok=True)

    def _cut(self) -> None:
        if self.home.ledger.exists():
            data = self.home.ledger.read_bytes()
            os.truncate(self.home.ledger, data.rfind(b"\n", 0, -1) + 1)


@given(st.lists(STEPS, max_size=14))
def test_whatever_happens_the_last_collection_makes_it_right(steps: list[tuple[Any, ...]]) -> None:
    with TemporaryDirectory() as folder:
        story = Story(Path(folder))
        for step in steps:
            story.play(step)
        story.home.collect()
        story.home.assert_booked()
