"""JSON-RPC 2.0 (https://www.jsonrpc.org/specification), one message a line, without sockets and methods."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

from budgauge.accounting.codec import MAX_DEPTH, is_deep

MAX_FRAME_BYTES = 1 << 20
MAX_BATCH = 100
"""Calls in one message."""
MAX_ANSWER_BYTES = 8 << 20
"""Longest answer to a batch. The first of its answers is given whatever its length."""
_TOO_LONG = f"This batch's answers are longer than {MAX_ANSWER_BYTES} bytes: ask this one alone."
SMALL_ANSWER_BYTES = 4096
"""An answer as short as this is always given: every change must be acknowledged."""

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32601, -32602, -32603
OVER_LIMIT = 1001
"""An agent's or a family's limit refused the call."""
OVER_BUDGET = 1002
"""The total budget refused the call."""
RESET_BETWEEN = 1003
"""Someone reset, or undid a reset, in between."""
NO_RESERVATION = 1004
"""The reservation does not exist, or has ended."""
OTHER_CONTENT = 1005
"""The id is known with other content."""
NO_LEDGER = 1006
"""The ledger cannot be read or written."""
NOT_ALLOWED = 1007
"""The token is missing or wrong, the user is another, or there are too many connections."""
TOO_LONG = 1008
"""The answers of a batch would be too long."""
_WORDS = {
    PARSE_ERROR: "Parse error",
    INVALID_REQUEST: "Invalid Request",
    METHOD_NOT_FOUND: "Method not found",
    INVALID_PARAMS: "Invalid params",
    INTERNAL_ERROR: "Internal error",
}
Caller = TypeVar("Caller")
_Params = TypeVar("_Params", bound=msgspec.Struct)
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class CallError(Exception):
    """A call that failed, with the code, message and data of its answer."""

    def __init__(self, code: int, message: str = "", data: Mapping[str, object] | None = None) -> None:
        """`message` is by default the specification's word for the code."""
        super().__init__(message or _WORDS[code])
        self.code = code
        self.data = data

    def as_fields(self) -> dict[str, object]:
        """Return the error object of an answer."""
        fields: dict[str, object] = {"code": self.code, "message": str(self)}
        return fields if self.data is None else {**fields, "data": self.data}


Method = Callable[[object, Caller], object]
"""(params, caller) → the result, or a future. Params are an array, an object, or None."""
Answer = tuple[bytes, ...]
"""A line, in parts: those that are long may be shared by many answers."""


class Shared(msgspec.Struct, frozen=True):
    """A result already encoded, as ASCII JSON. Answers share the bytes."""

    data: bytes


class Dispatcher(Generic[Caller]):
    """Answers messages by calling methods; calls of one message one after the other."""

    def __init__(
        self,
        find: Callable[[str], Method[Caller] | None],
        error_of: Callable[[Exception], CallError],
        is_gone: Callable[[Caller], bool] = lambda _: False,
    ) -> None:
        """`find` returns a name's method, `error_of` an error's answer, `is_gone` True if nobody waits for answers."""
        self._find = find
        self._error_of = error_of
        self._is_gone = is_gone

    def answer(self, frame: bytes, caller: Caller) -> Answer | asyncio.Future[Answer | None] | None:
        """Return the answer's line, or a future of that line; None for a message without an answer."""
        try:
            message = decode(frame)
        except CallError as error:
            return (failure(None, error),)
        if not isinstance(message, list):
            return self._call(message, caller)
        if not 1 <= len(message) <= MAX_BATCH:
            return (failure(None, CallError(INVALID_REQUEST)),)
        return asyncio.ensure_future(self._batch(message, caller))

    async def _batch(self, calls: Sequence[object], caller: Caller) -> Answer | None:
        """Answer one call after the other. Between two, other connections have a turn."""
        answers: list[Answer] = []
        size = 0
        for place, call in enumerate(calls):
            if place:
                await asyncio.sleep(0)
            if _wants_answer(call) and self._is_gone(caller):
                continue
            answer = self._call(call, caller)
            if isinstance(answer, asyncio.Future):
                answer = await answer
            if answer is None:
                continue
            length = sum(map(len, answer))
            if answers and length > SMALL_ANSWER_BYTES and size + length > MAX_ANSWER_BYTES:
                answer = (failure(call["id"], CallError(TOO_LONG, _TOO_LONG)),)  # type: ignore[index]  # only sound calls have long ones
            answers.append(answer)
            size += sum(map(len, answer))
        return _joined(answers)

    def _call(self, call: object, caller: Caller) -> Answer | asyncio.Future[Answer | None] | None:
        if not isinstance(call, dict):
            return (failure(None, CallError(INVALID_REQUEST)),)
        id = call.get("id")
        method, params = call.get("method"), call.get("params")
        sound = (
            call.get("jsonrpc") == "2.0"
            and isinstance(method, str)
            and (isinstance(params, (list, dict)) or "params" not in call)
            and (id is None or type(id) in (str, int, float))
        )
        if not sound:
            # An unsound call's id cannot be trusted either.
            return (failure(None, CallError(INVALID_REQUEST)),)
        wants_answer = "id" in call
        try:
            run = self._find(method)  # type: ignore[arg-type]  # a text, said just above
            if run is None:
                raise CallError(METHOD_NOT_FOUND)
            result = run(params, caller)
        except Exception as error:  # the caller gets the error, and the server goes on
            return self._failed(id, error) if wants_answer else None
        if isinstance(result, asyncio.Future):
            return asyncio.ensure_future(self._later(id, result, wants_answer))
        return success(id, result) if wants_answer else None

    async def _later(self, id: object, result: Awaitable[object], wants_answer: bool) -> Answer | None:
        try:
            answer = success(id, await result)
        except Exception as error:  # as in _call
            answer = self._failed(id, error)
        return answer if wants_answer else None

    def _failed(self, id: object, error: Exception) -> Answer:
        return (failure(id, error if isinstance(error, CallError) else self._error_of(error)),)


def _wants_answer(call: object) -> bool:
    """Return True for anything but a notification."""
    return not isinstance(call, dict) or "id" in call


def bind(params: object, kind: type[_Params], *places: str) -> _Params:
    """Return params, given by name or by place, as a struct. Raises CallError.

    `places` are the fields that may be given by place, in order; all of them if none is named.
    """
    if isinstance(params, list):
        places = places or kind.__struct_fields__
        if len(params) > len(places):
            _bad_params(f"at most {len(places)} may be given by place, not {len(params)}")
        params = dict(zip(places, params, strict=False))
    try:
        return msgspec.convert(params or {}, kind)
    except msgspec.ValidationError as error:
        _bad_params(str(error).replace(" - at `$.", " in `"))


def _bad_params(why: str) -> NoReturn:
    raise CallError(INVALID_PARAMS, f"{_WORDS[INVALID_PARAMS]}: {why}")


def decode(frame: bytes) -> Any:
    """Decode a message to plain values. Raises CallError for anything but JSON, and for JSON nested too deep."""
    try:
        if not frame.isascii():
            frame.decode()  # inside texts msgspec would let anything pass
        if is_deep(frame):
            raise CallError(INVALID_REQUEST, f"{_WORDS[INVALID_REQUEST]}: nested deeper than {MAX_DEPTH}")
        return _decode(frame)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        raise CallError(PARSE_ERROR) from None


def success(id: object, result: object) -> Answer:
    """Return the answer to a call that succeeded."""
    if isinstance(result, Shared):
        return b'{"jsonrpc":"2.0","result":', result.data, b',"id":' + ascii_json(id) + b"}\n"
    return (ascii_json({"jsonrpc": "2.0", "result": result, "id": id}) + b"\n",)


def failure(id: object, error: CallError) -> bytes:
    """Return the answer to a call that failed."""
    return ascii_json({"jsonrpc": "2.0", "error": error.as_fields(), "id": id}) + b"\n"


def notification(method: str, params: object) -> bytes:
    """Return an event: a call without an answer."""
    return ascii_json({"jsonrpc": "2.0", "method": method, "params": params}) + b"\n"


def request(id: object, method: str, params: object) -> bytes:
    """Return a call."""
    return ascii_json({"jsonrpc": "2.0", "method": method, "params": params, "id": id}) + b"\n"


def ascii_json(value: object) -> bytes:
    """Encode a value as JSON in ASCII alone, which no terminal can be steered by."""
    data = _encode(value)
    return data if data.isascii() else json.dumps(_decode(data), separators=(",", ":")).encode()


def _joined(answers: Sequence[Answer]) -> Answer | None:
    if not answers:
        return None
    parts = [b"["]
    for answer in answers:
        *most, last = answer
        parts += (*most, last.rstrip(b"\n"), b",")
    return (*parts[:-1], b"]\n")
