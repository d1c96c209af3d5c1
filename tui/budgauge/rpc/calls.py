"""Calls of a server's methods, and the results of each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Generic, TypeVar

import msgspec

from budgauge.accounting.records import Reserve
from budgauge.errors import (
    AgentLimitExceededError,
    BudgaugeError,
    BudgetExceededError,
    DuplicateIdError,
    LedgerError,
    RecordError,
    ReservationError,
    ResetError,
    ServerError,
)
from budgauge.rpc import protocol

_Result = TypeVar("_Result")


class Charge(msgspec.Struct, frozen=True):
    """The outcome of a report or a settlement. True if a line was added, False for a known id."""

    added: bool
    total_used: int
    """Counted tokens used by everyone."""
    remaining_budget: int | None
    """Counted tokens left; None if the budget is unlimited."""
    usage_percentage: float | None

    def __bool__(self) -> bool:
        return self.added


class Call(msgspec.Struct, Generic[_Result], frozen=True):
    """A call of one of the server's methods, with an id by which a second try is harmless."""

    method: str
    params: dict[str, Any]
    read: Callable[[Any], _Result]
    """Makes the result of the server's answer."""
    is_repeatable: bool = True
    """False: a second try could do more than the first."""


def report_usage(agent_id: str, model: str, prompt: int, completion: int, fields: dict[str, Any]) -> Call[Charge]:
    """Make the call to record usage."""
    params = {"agent_id": agent_id, "model": model, "prompt_tokens": prompt, "completion_tokens": completion}
    return Call("tokens.reportUsage", {**params, **fields, "id": fields.get("id") or new_id()}, _charge)


def get_budget() -> Call[dict[str, Any]]:
    """Make the call for the status."""
    return Call("tokens.getBudget", {}, dict)


def state() -> Call[dict[str, Any]]:
    """Make the call for everything that a Snapshot holds."""
    return Call("tokens.getState", {}, dict)


def check(agent_id: str, tokens: int) -> Call[str | None]:
    """Make the call to check whether tokens would be refused."""
    return Call("tokens.check", {"agent_id": agent_id, "tokens": tokens}, itemgetter("message"))


def refusal(agent_id: str, tokens: int) -> Call[BudgaugeError | None]:
    """Make the call to check whether tokens would be refused, and by which error."""
    params = {"agent_id": agent_id, "tokens": tokens}
    return Call("tokens.check", params, lambda answer: error_from(error) if (error := answer["refusal"]) else None)


def reserve(agent_id: str, tokens: int, ttl: float, id: str | None) -> Call[Reserve]:
    """Make the call to reserve tokens."""
    params = {"agent_id": agent_id, "tokens": tokens, "ttl": ttl, "id": id or new_id()}
    return Call(
        "tokens.reserve",
        params,
        lambda result: Reserve(time.time(), result["reserve"], agent_id, tokens, result["expires"]),
    )


def settle(reserve: str, model: str, prompt: int, completion: int, fields: dict[str, Any]) -> Call[Charge]:
    """Make the call to settle a reservation, whose id makes a second try harmless."""
    params = {"reserve": reserve, "model": model, "prompt_tokens": prompt, "completion_tokens": completion}
    return Call("tokens.settle", {**params, **fields}, _charge)


def release(reserve: str, *, again: bool = True) -> Call[None]:
    """Make the call to release a reservation; with `again` it may have been released already."""
    params = {"reserve": reserve, **({"id": new_id()} if again else {})}
    return Call("tokens.release", params, lambda _: None, is_repeatable=again)


def reset(agent_id: str | None, expected: str | msgspec.UnsetType | None, id: str = "") -> Call[str]:
    """Make the call to reset the counters. The result is the reset's id."""
    params: dict[str, Any] = {"agent_id": agent_id, "id": id or new_id()}
    if expected is not msgspec.UNSET:
        params["expected_reset_id"] = expected
    return Call("tokens.reset", params, itemgetter("reset_id"))


def undo_reset() -> Call[str]:
    """Make the call to undo the last reset. The result is the reset's id."""
    return Call("tokens.undoReset", {}, itemgetter("reset_id"), is_repeatable=False)


def subscribe(topics: tuple[str, ...]) -> Call[dict[str, Any]]:
    """Make the call for events."""
    return Call("subscribe", {"topics": list(topics or ("tokens.updated",))}, dict)


def new_id() -> str:
    """Return a new id, by which the server recognises a second try."""
    return os.urandom(16).hex()


def _charge(result: dict[str, Any]) -> Charge:
    return msgspec.convert(result, Charge)


def message_of(line: bytes) -> dict[str, Any]:
    """Read a line as a message. Raises ServerError for any other line."""
    try:
        message = protocol.decode(line)
    except protocol.CallError:
        message = None
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise ServerError("what answers is no JSON-RPC server", hint="Is it a budgauge server of this version?")
    return message


def result_of(answer: Mapping[str, Any]) -> Any:
    """Return the result of an answer, or raise the tracker's error."""
    error = answer.get("error")
    if error is None:
        return answer.get("result")
    raise error_from(error)


def event_of(message: dict[str, Any]) -> dict[str, Any] | None:
    """Return `topic`, `data` and `timestamp` of an event; None for any other message."""
    params = message.get("params")
    return params if "method" in message and isinstance(params, dict) else None


def error_from(error: Mapping[str, Any]) -> BudgaugeError:
    """Turn an answer's error into the tracker's error."""
    code, message, data = error.get("code"), str(error.get("message", "")), error.get("data") or {}
    hint = str(data.get("hint", ""))
    if code in (protocol.OVER_LIMIT, protocol.OVER_BUDGET):
        figures = {name: int(data.get(name) or 0) for name in ("limit", "current", "requested")}
        if code == protocol.OVER_LIMIT:
            return AgentLimitExceededError(str(data.get("agent_id")), **figures)
        return BudgetExceededError(**figures)
    kind = _ERRORS.get(code, ServerError)  # type: ignore[arg-type]  # whatever it is, it is only looked up
    return kind(message.removeprefix("Invalid params: ") if kind is RecordError else message, hint=hint)


_ERRORS: dict[int, type[BudgaugeError]] = {
    protocol.INVALID_PARAMS: RecordError,
    protocol.RESET_BETWEEN: ResetError,
    protocol.NO_RESERVATION: ReservationError,
    protocol.OTHER_CONTENT: DuplicateIdError,
    protocol.NO_LEDGER: LedgerError,
}
