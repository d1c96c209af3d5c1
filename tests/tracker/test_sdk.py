"""What the OpenAI and Anthropic SDKs return, recorded: their own classes, made from what their servers send."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anthropic.types import Message
from anthropic.types.beta import BetaMessage
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseCompletedEvent

import budgauge
from budgauge import BudgetConfig, BudgetExceededError, RecordError, TokenBudgetTracker
from budgauge.accounting.sdk_response import usage_of
from budgauge.tracker import sdk as recording

CHAT: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_767_225_600,
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
    "usage": {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 7, "audio_tokens": 0},
    },
}
CHUNK = {**CHAT, "object": "chat.completion.chunk", "choices": []}
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1_767_225_600,
    "model": "gpt-5.1-codex",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 1000,
        "input_tokens_details": {"cached_tokens": 600, "cache_write_tokens": 0},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 30},
        "total_tokens": 1050,
    },
}
EMBEDDING: dict[str, Any] = {
    "object": "list",
    "data": [],
    "model": "text-embedding-3-small",
    "usage": {"prompt_tokens": 8, "total_tokens": 8},
}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 100,
        "output_tokens": 20,
        "cache_creation_input_tokens": 50,
        "cache_read_input_tokens": 1000,
        "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 20},
    },
}
OF_CHAT = {
    "model": "gpt-4o-2024-08-06",
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "cached_tokens": 40,
    "reasoning_tokens": 7,
    "id": "chatcmpl-1@1767225600",
    "source": "openai",
}
OF_RESPONSE = {
    "model": "gpt-5.1-codex",
    "prompt_tokens": 1000,
    "completion_tokens": 50,
    "total_tokens": 1050,
    "cached_tokens": 600,
    "reasoning_tokens": 30,
    "id": "resp_1@1767225600",
    "source": "openai",
}
OF_MESSAGE = {
    "model": "claude-sonnet-4-5-20250929",
    "prompt_tokens": 1150,
    "completion_tokens": 20,
    "total_tokens": 1170,
    "cached_tokens": 1000,
    "cache_write_tokens": 50,
    "cache_write_1h_tokens": 20,
    "id": "msg_1",
    "source": "anthropic",
}
ANSWERS: list[tuple[Callable[[Any], Any], dict[str, Any], dict[str, Any]]] = [
    (ChatCompletion.model_validate, CHAT, OF_CHAT),
    (ChatCompletionChunk.model_validate, CHUNK, OF_CHAT),
    (Response.model_validate, RESPONSE, OF_RESPONSE),
    (
        ResponseCompletedEvent.model_validate,
        {"type": "response.completed", "sequence_number": 9, "response": RESPONSE},
        OF_RESPONSE,
    ),
    (Message.model_validate, MESSAGE, OF_MESSAGE),
    (BetaMessage.model_validate, MESSAGE, OF_MESSAGE),
    (
        CreateEmbeddingResponse.model_validate,
        EMBEDDING,
        {"model": "text-embedding-3-small", "prompt_tokens": 8, "completion_tokens": 0, "source": "openai"},
    ),
]
IDS = ["chat", "chunk", "response", "event", "message", "beta message", "embedding"]


@pytest.fixture
def ledger(own_place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(recording, "_own", None)
    path = own_place / "l.jsonl"
    monkeypatch.setenv("CODEX_TOKEN_LEDGER", str(path))
    return path


def lines(ledger: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ledger.read_bytes().splitlines() if line]


@pytest.mark.parametrize(("make", "data", "record"), ANSWERS, ids=IDS)
def test_an_answer_is_recorded_exactly_and_once(
    ledger: Path, make: Callable[[Any], Any], data: dict[str, Any], record: dict[str, Any]
) -> None:
    answer = make(data)
    assert budgauge.record_response("code-reviewer", answer, project="p") is True
    (line,) = lines(ledger)
    del line["timestamp"]
    assert line == {"agent_id": "code-reviewer", "project": "p", "total_tokens": line["total_tokens"], **record}
    if "id" in record:
        assert budgauge.record_response("code-reviewer", answer, project="p") is False
        assert budgauge.record_response("code-reviewer", data, project="p") is False
        assert len(lines(ledger)) == 1


def test_it_is_recorded_past_the_budget(ledger: Path, own_place: Path) -> None:
    (own_place / ".codex").mkdir()
    (own_place / ".codex" / "token_budget.toml").write_text("[token_budget]\ntotal_budget = 10\n")
    assert budgauge.record_response("a", Message.model_validate(MESSAGE))
    with pytest.raises(BudgetExceededError):
        budgauge.reserve("a", tokens=1)


def test_an_id_that_another_call_had_is_left_out(ledger: Path) -> None:
    other = {**CHAT, "usage": {**CHAT["usage"], "completion_tokens": 21}}
    for answer in (CHAT, other):
        assert budgauge.record_response("a", ChatCompletion.model_validate(answer))
    assert [line.get("id") for line in lines(ledger)] == ["chatcmpl-1@1767225600", None]
    tracker = TokenBudgetTracker()
    with tracker.reserve("a", tokens=500) as hold:
        budgauge.record_response("a", CHAT, tracker=tracker)
        hold.settle_response(other)
    assert tracker.get_total_used() == 120 + 121


def test_reserve_before_and_settle_after(ledger: Path) -> None:
    with budgauge.reserve("a", tokens=3000) as hold:
        hold.settle_response(Message.model_validate(MESSAGE), session="s")
    with budgauge.reserve("a", tokens=3000):
        pass
    reserve, settle, _, release = lines(ledger)
    assert settle.items() >= {**OF_MESSAGE, "reserve": reserve["id"], "session": "s", "type": "settle"}.items()
    assert release["type"] == "release"


def test_through_a_tracker_of_ones_own() -> None:
    tracker = TokenBudgetTracker(BudgetConfig(total_budget=2000))
    assert budgauge.record_response("a", Response.model_validate(RESPONSE), tracker=tracker)
    with pytest.raises(BudgetExceededError), tracker.reserve("a", tokens=951):
        pytest.fail("it was refused")


@pytest.mark.parametrize(
    "nothing",
    [
        None,
        "text",
        {},
        {"usage": None},
        {"usage": {}},
        {**CHAT, "usage": None},
        {**CHUNK, "usage": None},
        {**CHAT, "model": None},
        {"type": "message", "model": "m", "usage": {"input_tokens": "x", "output_tokens": 1}},
        {"model": "m", "usage": {"input_tokens": 1, "output_tokens": 1}},
    ],
)
def test_an_answer_that_tells_nothing_is_an_error_that_says_so(nothing: Any) -> None:
    with pytest.raises(RecordError, match="tells of no usage") as caught:
        usage_of(nothing)
    assert "include_usage" in caught.value.hint


def test_parts_are_never_larger_than_their_whole() -> None:
    odd = {
        **CHAT,
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 40},
            "completion_tokens_details": {"reasoning_tokens": 70},
        },
    }
    tracker = TokenBudgetTracker()
    budgauge.record_response("a", odd, tracker=tracker)
    row = tracker.get_status().agents[0]
    assert (row.prompt_tokens, row.completion_tokens, row.cached_tokens) == (10, 5, 10)
