"""Batches: how long their answers may become, whose turn it is between two calls, and where they stop."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from budgauge.rpc import protocol
from budgauge.rpc.protocol import Answer, CallError, Dispatcher, Shared
from budgauge.server.connection import LONG_BYTES, _has_hung_up
from budgauge.server.methods import TokenMethods
from served import Bare, Served
from usage import line

Client = Callable[..., Bare]
LONG = Shared(b'"' + b"x" * 9_998 + b'"')


def call(method: str, id: object = 1) -> dict[str, object]:
    return {"jsonrpc": "2.0", "method": method, "id": id}


def notification(method: str) -> dict[str, object]:
    return {"jsonrpc": "2.0", "method": method}


def dispatcher(is_gone: Callable[[None], bool] = lambda _: False, **methods: Any) -> Dispatcher[None]:
    return Dispatcher(methods.get, lambda _: CallError(-32603), is_gone)


async def parts(asked: Dispatcher[None], *calls: object) -> Answer | None:
    """What a batch is answered with."""
    answer = asked.answer(json.dumps(calls).encode(), None)
    assert isinstance(answer, asyncio.Future)
    return cast("Answer | None", await answer)


async def test_answers_beyond_the_bound_become_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_ANSWER_BYTES", 25_000)
    asked = dispatcher(long=lambda *_: LONG, short=lambda *_: 7)
    answer = await parts(asked, *(call("long", number) for number in range(5)), call("short", "last"))
    assert answer is not None
    line = b"".join(answer)
    assert len(line) < 26_000
    *answers, last = json.loads(line)
    assert ["result" in one for one in answers] == [True, True, False, False, False]
    assert [one["id"] for one in answers] == [0, 1, 2, 3, 4]
    assert answers[4]["error"]["code"] == 1008
    assert "ask this one alone" in answers[4]["error"]["message"]
    assert last == {"jsonrpc": "2.0", "result": 7, "id": "last"}


async def test_the_first_answer_is_given_whatever_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_ANSWER_BYTES", 5_000)
    answer = await parts(dispatcher(long=lambda *_: LONG), call("long"))
    assert answer is not None
    assert len(json.loads(b"".join(answer))[0]["result"]) == 9_998


async def test_answers_share_one_result() -> None:
    answer = await parts(dispatcher(long=lambda *_: LONG), *[call("long")] * 10)
    assert answer is not None
    assert sum(part is LONG.data for part in answer) == 10


async def test_others_have_a_turn_between_two_calls() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.ensure_future(other())
    seen: list[int] = []
    await parts(dispatcher(note=lambda *_: seen.append(turns)), *[call("note")] * 20)
    beside.cancel()
    assert len(set(seen)) == 20


async def test_nothing_is_worked_out_for_one_that_has_gone() -> None:
    done: list[str] = []
    asked = dispatcher(
        lambda _: len(done) >= 2, ask=lambda *_: done.append("asked"), note=lambda *_: done.append("noted")
    )
    await parts(asked, *[call("ask")] * 50, notification("note"), *[call("ask")] * 49)
    assert done == ["asked", "asked", "noted"]


def test_a_budget_is_encoded_once_for_all_who_ask() -> None:
    encoded = 0

    def status(_: object) -> bytes:
        nonlocal encoded
        encoded += 1
        return b'{"x":1}'

    class View:
        ledger_trouble = ""

        class snapshot:  # as the attribute is called
            total_used = 5
            remaining_budget = 6

    events = SimpleNamespace(priced=View, status=status)
    methods = TokenMethods(cast(Any, None), cast(Any, None), cast(Any, events))
    one, other = (methods.table()["tokens.getBudget"](None, None) for _ in range(2))
    assert one is other
    assert isinstance(one, Shared)
    assert json.loads(one.data) == {"x": 1, "used": 5, "remaining": 6}
    assert encoded == 1


def test_a_hundred_budgets_of_many_agents_are_bounded(
    client: Client, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.write_bytes(b"".join(line(f"agent-{number}") for number in range(500)))
    caller = client()
    alone = caller.result("tokens.getBudget")
    length = len(json.dumps(alone, separators=(",", ":")))
    assert length > LONG_BYTES, "it is sent as it is"
    monkeypatch.setattr(protocol, "MAX_ANSWER_BYTES", 3 * length + 1000)
    caller.send([call("tokens.getBudget", number) for number in range(100)])
    answers = caller.read()
    assert [answer["id"] for answer in answers] == [*range(100)]
    assert [answer["result"] for answer in answers if "result" in answer] == [alone] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a half-closed end looks the same")
def test_an_end_that_closed_has_gone_and_one_that_only_sends_no_more_has_not() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert not _has_hung_up(ours)
        theirs.shutdown(socket.SHUT_WR)
        assert not _has_hung_up(ours)
        theirs.close()
        assert _has_hung_up(ours)
        ours.close()
        assert _has_hung_up(ours)


def test_each_loop_reads_into_a_buffer_of_its_own(tmp_path: Path, serve: Callable[..., Served]) -> None:
    one, other = serve(), Served(tmp_path / "other.jsonl")
    try:
        assert one.server.read_buffer.obj is not other.server.read_buffer.obj
    finally:
        other.end()
