"""Lines with the ids of calls to come: each real call counts, for its own agent and model, when it was made."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asking import Stage, reset_line
from budgauge.accounting.codec import decode, encode
from budgauge.accounting.fold import Totals
from budgauge.accounting.records import Usage
from budgauge.gate import Answer
from budgauge.ledger import pages
from sources.rollouts import START
from sources.sessions import Session, tokens
from usage import usage

YEAR = 365 * 86_400
SPENT = 60 + 4 + 70 + 6
MODELS = {"codex": "gpt-5-codex", "claude-code": "claude-sonnet-4-5"}


@pytest.fixture(params=["codex", "claude-code"])
def stage(request: pytest.FixtureRequest, own_place: Path, ledger: Path) -> Stage:
    stage = Stage(request.param, own_place, ledger)
    stage.config("total_budget = 1_000_000")
    return stage


def real_calls(stage: Stage) -> list[Usage]:
    """What the session's calls are entered as in a ledger of their own."""
    before = stage.ledger.read_bytes()
    stage.ledger.write_bytes(reset_line(START - 1))
    stage.spend(60, 4)
    stage.spend(70, 6)
    assert stage.ask("Stop") == Answer()
    found = [record for record in decode(stage.ledger.read_bytes()).records if isinstance(record, Usage)]
    stage.ledger.write_bytes(before)
    shutil.rmtree(Path.home() / ".cache")
    return found


class Parts:
    """Tokens by agent, model and whether they count in the year of the calls."""

    def __init__(self) -> None:
        self.parts: dict[tuple[str, str, bool], int] = {}

    def begin_anew(self) -> None:
        self.parts.clear()

    def counted(self, calls: Sequence[Usage]) -> None:
        for call in calls:
            key = call.agent_id, call.model, abs(call.timestamp - START) < YEAR / 2
            self.parts[key] = self.parts.get(key, 0) + call.total_tokens

    def dropped(self, call: Usage, *, is_conflict: bool) -> None:
        pass


def sums(stage: Stage) -> dict[tuple[str, str, bool], int]:
    """What the ledger adds up to."""
    parts = Parts()
    Totals(listener=parts).add(decode(stage.ledger.read_bytes()).records)
    return parts.parts


ELSEWHERE: dict[str, dict[str, Any]] = {
    "another agent": {"agent_id": "ghost"},
    "the project's name": {
        "agent_id": "app",
        "prompt_tokens": 1,
        "total_tokens": 1,
        "completion_tokens": 0,
    },
    "a sub-agent": {"role": "ghost"},
    "another model": {"model": "free"},
    "timestamp 0": {"timestamp": 0},
    "a year earlier": {"timestamp": START - YEAR},
    "a year later": {"timestamp": START + YEAR},
    "all of it": {"agent_id": "ghost", "model": "free", "timestamp": 0},
}
"""What a line says that takes a call's id."""
COUNTS: dict[str, dict[str, int]] = {
    "one token": {"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1},
    "as much": {},
    "more": {"prompt_tokens": 10**6, "completion_tokens": 10**6, "total_tokens": 2 * 10**6},
}


SOURCES = {"no source": None, "another source": "gateway", "its own source": ""}
TAKEN = ["id", "alias", "later parts", "all parts"]


def forged(stage: Stage, calls: list[Usage], fields: dict[str, Any], taken: str) -> list[Usage]:
    """Lines that take the ids of these calls."""
    lines = [msgspec.structs.replace(call, **fields) for call in calls]
    if taken == "alias":
        return [msgspec.structs.replace(line, id=f"o{number}", alias=line.id) for number, line in enumerate(lines)]
    if taken == "later parts":
        return [msgspec.structs.replace(line, id=f"{line.id}#2") for line in lines]
    if taken == "all parts":
        return lines + [msgspec.structs.replace(line, id=f"{line.id}#{n}") for line in lines for n in range(2, 40)]
    return lines


def ways(index: int, sized: Callable[[int, int], int]) -> list[tuple[dict[str, int], str | None]]:
    """Counts and sources of the lines: one pair here, all with `--full`."""
    pairs = list(itertools.product(COUNTS.values(), SOURCES.values()))
    return pairs if sized(0, 1) else [pairs[index % len(pairs)]]


@pytest.mark.parametrize("taken", TAKEN)
@pytest.mark.parametrize("elsewhere", ELSEWHERE.values(), ids=ELSEWHERE)
def test_an_id_booked_beforehand_moves_no_call(
    stage: Stage, elsewhere: dict[str, Any], taken: str, sized: Callable[[int, int], int]
) -> None:
    calls, empty = real_calls(stage), stage.ledger.read_bytes()
    own = (stage.agent, MODELS[stage.agent], True)
    for counts, source in ways(2 * list(ELSEWHERE.values()).index(elsewhere) + TAKEN.index(taken), sized):
        fields = {**counts, **elsewhere, "source": stage.agent if source == "" else source}
        if role := fields.pop("role", None):
            fields["agent_id"] = f"{stage.agent}/{role}"
            # Only the size of the prompt tells it from a sub-agent whose kind was not known before.
            fields["prompt_tokens"] = fields.get("prompt_tokens", 60) + 7
            fields["total_tokens"] = fields["prompt_tokens"] + fields.get("completion_tokens", 4)
        stage.ledger.write_bytes(empty + b"".join(map(encode, forged(stage, calls, fields, taken))))
        before = sums(stage)
        assert stage.ask("Stop") == Answer()
        after = sums(stage)
        assert after == {**before, own: before.get(own, 0) + SPENT}
        shutil.rmtree(Path.home() / ".cache")
        assert stage.ask("Stop") == Answer()
        assert sums(stage) == after, "read again, it is known"


def test_a_call_counts_even_where_every_id_is_taken(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = real_calls(stage)
    ids = [id for call in calls for id in pages._ids(call)]
    assert len(ids) == 2 * (1 + pages._FREE_TRIES)
    lines = [usage("ghost", 1, 0, id=id, source=stage.agent) for id in ids]
    stage.ledger.write_bytes(stage.ledger.read_bytes() + b"".join(map(encode, lines)))
    assert stage.ask("Stop") == Answer()
    assert stage.used == {"ghost": len(lines), stage.agent: SPENT}


def test_what_a_call_grew_by_counts_beside_a_line_that_took_its_id(own_place: Path, ledger: Path) -> None:
    stage = Stage("claude-code", own_place, ledger)
    assert isinstance(stage.log, Session)
    taken = usage("ghost", 1, 0, id="claude-code:m", source="claude-code")
    ledger.write_bytes(ledger.read_bytes() + encode(taken))
    for output in (1, 5, 9):
        stage.log.said("m", tokens(50, output), stop=None).write(stage.claude)
        assert stage.ask("Stop") == Answer()
    assert stage.used == {"ghost": 1, "claude-code": 59}


def test_an_agent_that_is_called_otherwise_now_is_not_counted_again(stage: Stage) -> None:
    stage.spend(60, 4)
    assert stage.ask("Stop") == Answer()
    stage.config('total_budget = 1_000_000\ncollect.agent = "project"')
    shutil.rmtree(Path.home() / ".cache")
    assert stage.ask("Stop") == Answer()
    assert stage.used == {stage.agent: 64}
