"""What the clients have in common: where a server is, calls as they are asked, and answers as they are told."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
from budgauge.rpc.codes import (
    NO_LEDGER,
    NO_RESERVATION,
    OTHER_CONTENT,
    OVER_BUDGET,
    OVER_LIMIT,
    RESET_BETWEEN,
)
from budgauge.rpc.endpoint import socket_path

PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2)
"""Seconds between tries to reach the server; the last one again and again."""
Call = tuple[str, dict[str, Any]]
"""A method and its params."""


class Charge(msgspec.Struct, frozen=True):
    """What came of a charge; true if a line was added, false if its id was known."""

    added: bool
    total_used: int
    """Counted tokens used by everyone."""
    remaining_budget: int | None
    """Counted tokens left; None if the budget is unlimited."""
    usage_percentage: float | None

    def __bool__(self) -> bool:
        return self.added


def report_call(agent_id: str, model: str, prompt: int, completion: int, fields: dict[str, Any]) -> Call:
    """Without an id of its own it gets one: it may have to be asked again."""
    params = {"agent_id": agent_id, "model": model, "prompt_tokens": prompt, "completion_tokens": completion}
    return "tokens.reportUsage", {**params, **fields, "id": fields.get("id") or new_id()}


def reserve_call(agent_id: str, tokens: int, ttl: float, id: str | None) -> Call:
    """As `report_call`."""
    return "tokens.reserve", {"agent_id": agent_id, "tokens": tokens, "ttl": ttl, "id": id or new_id()}


def settle_call(reserve: str, model: str, prompt: int, completion: int, fields: dict[str, Any]) -> Call:
    """The reservation's id is enough to know it again by."""
    params = {"reserve": reserve, "model": model, "prompt_tokens": prompt, "completion_tokens": completion}
    return "tokens.settle", {**params, **fields}


def release_call(reserve: str) -> Call:
    """As `report_call`."""
    return "tokens.release", {"reserve": reserve, "id": new_id()}


def reset_call(agent_id: str | None, expected: str | msgspec.UnsetType | None) -> Call:
    """As `report_call`."""
    params: dict[str, Any] = {"agent_id": agent_id, "id": new_id()}
    return "tokens.reset", params if expected is msgspec.UNSET else {**params, "expected_reset_id": expected}


def charge_of(result: dict[str, Any]) -> Charge:
    """The result of a report or a settlement."""
    return Charge(result["added"], result["total_used"], result["remaining_budget"], result["usage_percentage"])


def reserve_of(call: Call, result: dict[str, Any]) -> Reserve:
    """The reservation that a call made."""
    params = call[1]
    return Reserve(time.time(), result["reserve"], params["agent_id"], params["tokens"], result["expires"])


def event_of(message: dict[str, Any]) -> dict[str, Any] | None:
    """`topic`, `data` and `timestamp` of an event; None if the message is none."""
    params = message.get("params")
    return params if "method" in message and isinstance(params, dict) else None


class Target(msgspec.Struct, frozen=True):
    """Where a server listens."""

    path: str = ""
    """Of its socket; empty for TCP."""
    host: str = ""
    port: int = 0
    token: str = ""

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


def find_target(
    config: str | None, ledger: str | None, socket: str | os.PathLike[str] | None, tcp: str | None, token: str | None
) -> Target:
    """What is named, else the socket of the ledger's server. Raises ConfigError, ServerError."""
    if tcp is not None:
        host, _, port = tcp.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ServerError(f"tcp {tcp!r} is not an address", hint='Name it as in tcp="127.0.0.1:8765".')
        if not token:
            raise ServerError("tcp needs the token", hint="Give token=, the content of the file that `serve` names.")
        return Target(host=host, port=int(port), token=token)
    if socket is not None:
        return Target(path=os.fspath(socket))
    from budgauge.config.load import Options, load

    place = load(Options(config=config, ledger=ledger)).ledger.path
    try:
        return Target(path=os.fspath(socket_path(place)))
    except OSError as error:
        raise ServerError(
            f"no private folder for sockets: {error}", hint="Set XDG_RUNTIME_DIR to a folder of yours (0700)."
        ) from error


def check_private(path: str) -> None:
    """ServerError if others than we could have put a socket there: it would be told what we do."""
    try:
        folder = os.stat(Path(path).parent)
        found = os.lstat(path)
    except OSError:
        return  # connecting says what is wrong
    if folder.st_uid not in (os.geteuid(), 0) or found.st_uid not in (os.geteuid(), 0):
        raise ServerError(f"{path}: belongs to another user", hint="Name the socket of your own server.")
    if folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not folder.st_mode & stat.S_ISVTX:
        raise ServerError(
            f"{path}: others can change its folder", hint="Take the right away: chmod go-w on the folder."
        )


def not_reached(target: Target, why: object) -> ServerError:
    """No server answers."""
    return ServerError(
        f"no budgauge server answers at {target}: {why}",
        hint="Start one: budgauge serve. Or use TokenBudgetTracker.open(), which needs none.",
    )


def new_id() -> str:
    """An id for a call, by which a retry is known as one."""
    return os.urandom(16).hex()


def message_of(line: bytes) -> dict[str, Any]:
    """A line as a message. Raises ServerError if it is none."""
    try:
        message = protocol.decode(line)
    except protocol.CallError:
        message = None
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise ServerError("what answers is no JSON-RPC server", hint="Is it a budgauge server of this version?")
    return message


def result_of(answer: Mapping[str, Any]) -> Any:
    """The result of an answer, or the error that the method would have raised here."""
    error = answer.get("error")
    if error is None:
        return answer.get("result")
    raise error_from(error)


def error_from(error: Mapping[str, Any]) -> BudgaugeError:
    """An error of ours again."""
    code, message, data = error.get("code"), str(error.get("message", "")), error.get("data") or {}
    hint = str(data.get("hint", ""))
    if code in (OVER_LIMIT, OVER_BUDGET):
        figures = {name: int(data.get(name) or 0) for name in ("limit", "current", "requested")}
        if code == OVER_LIMIT:
            return AgentLimitExceededError(str(data.get("agent_id")), **figures)
        return BudgetExceededError(**figures)
    kind = _KINDS.get(code, ServerError)  # type: ignore[arg-type]  # whatever it is, it is only looked up
    return kind(message.removeprefix("Invalid params: ") if kind is RecordError else message, hint=hint)


_KINDS: dict[int, type[BudgaugeError]] = {
    protocol.INVALID_PARAMS: RecordError,
    RESET_BETWEEN: ResetError,
    NO_RESERVATION: ReservationError,
    OTHER_CONTENT: DuplicateIdError,
    NO_LEDGER: LedgerError,
}
