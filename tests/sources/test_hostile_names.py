"""Whatever a log calls an agent, a model, a session or a folder: no call is dropped for it, the name is cleaned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgauge.accounting.codec import decode
from budgauge.accounting.record_checks import check_name, check_record
from budgauge.accounting.records import Usage
from budgauge.sources.claude_code.files import ClaudeCodeFormat
from budgauge.sources.codex.files import CodexFormat
from budgauge.sources.collector import Collector
from budgauge.sources.importer import Importer
from budgauge.sources.name import AgentNames, fit_name
from budgauge.sources.source import Source
from sources.rollouts import Log
from sources.sessions import Session, tokens
from usage import importing, usage

NAMES: dict[str, Any] = {
    "empty": "",
    "blank": " \u3000\t ",
    "invisible": "\u200b\u2060\ufeff",
    "edges": " \u00a0name\u200b ",
    "control": "a\x00\x1b]0;x\x07\x85b",
    "lines": "a\nb\u2028c",
    "not a character": "\uffff\U0010ffff",
    "long": "x" * 5000,
    "long and wide": "👩\u200d💻" * 500,
    "long and apart": "e\u0301" * 500,
    "grows in one form": "\U0001d160" * 60,
    "a family": "a/*",
    "a part": "x#2",
    "a claim": "x=",
    "right to left": "\u202eabc",
}
OTHER_KINDS: dict[str, Any] = {"number": 5, "list": ["a"], "table": {"name": "a"}, "truth": True}


def collected(home: Path, ledger: Path, *, by_project: bool = False) -> list[Usage]:
    """What stands in the ledger once the logs below a home are in it; nothing of them is set aside."""
    names = AgentNames(by_project=by_project)
    sources = [
        Source(CodexFormat(home / ".codex", names)),
        Source(ClaudeCodeFormat([home / ".claude/projects"], names)),
    ]
    report = Collector(Importer(importing(ledger)), sources).collect()
    assert [source.set_aside for source in report.sources] == [0, 0]
    batch = decode(ledger.read_bytes())
    assert not batch.faults
    for record in batch.records:
        check_record(record)
    return [record for record in batch.records if isinstance(record, Usage)]


@pytest.mark.parametrize("by_project", [False, True])
@pytest.mark.parametrize("name", [*NAMES.values(), *OTHER_KINDS.values()], ids=[*NAMES, *OTHER_KINDS])
def test_codex(tmp_path: Path, ledger: Path, name: Any, by_project: bool) -> None:
    log = Log().meta(cwd=name, agent_role=name, agent_nickname=name, source={"subagent": name})
    log.turn(name).call(10, 0, 1, 0).record(20, 0, 2, 0).write(tmp_path / ".codex")
    calls = collected(tmp_path, ledger, by_project=by_project)
    assert [call.total_tokens for call in calls] == [11, 22]
    assert {check_name("agent_id", call.agent_id) for call in calls} == {calls[0].agent_id}
    assert {check_name("model", call.model) for call in calls} == {calls[0].model}


@pytest.mark.parametrize("by_project", [False, True])
@pytest.mark.parametrize("name", [*NAMES.values(), *OTHER_KINDS.values()], ids=[*NAMES, *OTHER_KINDS])
def test_claude_code(tmp_path: Path, ledger: Path, name: Any, by_project: bool) -> None:
    session = Session(agent="a1")
    about = {"model": name, "cwd": name, "sessionId": name, "attributionAgent": name, "agentId": name}
    session.said("m1", tokens(10, 1), **about).said(name, tokens(20, 2), **about)
    session.write(tmp_path / ".claude")
    calls = collected(tmp_path, ledger, by_project=by_project)
    assert [call.total_tokens for call in calls] == [11, 22]
    for call in calls:
        check_name("agent_id", call.agent_id)
        check_name("model", call.model)


@pytest.mark.parametrize("name", OTHER_KINDS.values(), ids=list(OTHER_KINDS))
def test_an_advisor_without_a_name(tmp_path: Path, ledger: Path, name: Any) -> None:
    advisor = {"type": "advisor_message", "model": name, "input_tokens": 7, "output_tokens": 1}
    Session().said("m1", tokens(10, 1, iterations=[advisor])).write(tmp_path / ".claude")
    calls = collected(tmp_path, ledger)
    assert [(call.model, call.total_tokens) for call in calls] == [("claude-sonnet-4-5", 11), ("unknown", 8)]


def test_a_model_whose_name_is_no_text_is_not_the_one_before(tmp_path: Path, ledger: Path) -> None:
    log = Log().meta().turn("gpt-5").call(10, 0, 1, 0).turn(5).call(20, 0, 2, 0)  # type: ignore[arg-type]  # as said
    log.write(tmp_path / ".codex")
    assert [call.model for call in collected(tmp_path, ledger)] == ["gpt-5", "unknown"]


def test_half_of_what_is_one_character(tmp_path: Path, ledger: Path) -> None:
    """Text that was cut within a surrogate pair, as JavaScript writes it."""
    session, log = Session(agent="a1"), Log().meta(cwd="HALF", agent_role="HALF").turn("HALF").call(20, 0, 2, 0)
    session.said("HALF", tokens(10, 1), model="HALF", cwd="HALF", sessionId="HALF", attributionAgent="HALF")
    for one, home in ((session, ".claude"), (log, ".codex")):
        one.data = one.data.replace(b"HALF", b"a\\ud83d")
        one.write(tmp_path / home)
    calls = collected(tmp_path, ledger)
    assert sorted(call.total_tokens for call in calls) == [11, 22]
    assert {call.model for call in calls} == {"a\N{REPLACEMENT CHARACTER}"}


@given(st.text(st.characters(codec=None), max_size=200), st.text(st.characters(codec=None), max_size=200))
def test_any_text_becomes_a_name_that_may_be_written(name: str, role: str) -> None:
    for by_project in (False, True):
        agent_id = AgentNames(by_project=by_project).of("codex", role, f"/home/{name}")
        assert check_name("agent_id", agent_id) == agent_id
    check_record(usage(agent_id, 1, 0, model=fit_name(name)))


def test_an_importer_knows_every_id_however_long_ago_it_was_recorded(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fold forgets all but the latest ids; a session that is resumed after months must not count anew."""
    monkeypatch.setattr("budgauge.accounting.deduplicator.KNOWN_IDS", 10)
    old = [usage("codex", 1, 0, id=f"x{number}", session="s", source="codex") for number in range(500)]
    importer = Importer(importing(ledger))
    assert importer.add(old) == ["recorded"] * 500
    for late in (importer, Importer(importing(ledger))):
        assert late.add(old) == ["known"] * 500
    booked = importing(ledger)
    booked.refresh()
    assert all(booked.find(f"x{number}") for number in range(500))
    assert len(decode(ledger.read_bytes()).records) == 500
