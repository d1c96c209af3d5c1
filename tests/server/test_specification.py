"""Every example of the JSON-RPC 2.0 specification, section 7, to the letter."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from budgauge.rpc.protocol import CallError, Dispatcher, bind


class Difference(msgspec.Struct, forbid_unknown_fields=True):
    minuend: int
    subtrahend: int


def subtract(params: object, _: None) -> int:
    asked = bind(params, Difference)
    return asked.minuend - asked.subtrahend


METHODS: dict[str, Any] = {
    "subtract": subtract,
    "update": lambda *_: None,
    "notify_hello": lambda *_: None,
    "notify_sum": lambda *_: None,
    "sum": lambda params, _: sum(params),
    "get_data": lambda *_: ["hello", 5],
}

NO_JSON = '{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}'
NO_REQUEST = '{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}'
EXAMPLES = [
    # positional parameters
    (
        '{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}',
        '{"jsonrpc": "2.0", "result": 19, "id": 1}',
    ),
    (
        '{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}',
        '{"jsonrpc": "2.0", "result": -19, "id": 2}',
    ),
    # named parameters
    (
        '{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}',
        '{"jsonrpc": "2.0", "result": 19, "id": 3}',
    ),
    (
        '{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}',
        '{"jsonrpc": "2.0", "result": 19, "id": 4}',
    ),
    # notifications
    ('{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}', None),
    ('{"jsonrpc": "2.0", "method": "foobar"}', None),
    # a method that does not exist
    (
        '{"jsonrpc": "2.0", "method": "foobar", "id": "1"}',
        '{"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "1"}',
    ),
    # no JSON
    ('{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]', NO_JSON),
    # no request
    ('{"jsonrpc": "2.0", "method": 1, "params": "bar"}', NO_REQUEST),
    # a batch that is no JSON
    (
        '[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},{"jsonrpc": "2.0", "method"]',
        NO_JSON,
    ),
    # batches of nothing, and of nothing good
    ("[]", NO_REQUEST),
    ("[1]", f"[{NO_REQUEST}]"),
    ("[1,2,3]", f"[{NO_REQUEST},{NO_REQUEST},{NO_REQUEST}]"),
    # a batch
    (
        """[
        {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
        {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
        {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
        {"foo": "boo"},
        {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
        {"jsonrpc": "2.0", "method": "get_data", "id": "9"}
    ]""",
        f"""[
        {{"jsonrpc": "2.0", "result": 7, "id": "1"}},
        {{"jsonrpc": "2.0", "result": 19, "id": "2"}},
        {NO_REQUEST},
        {{"jsonrpc": "2.0", "error": {{"code": -32601, "message": "Method not found"}}, "id": "5"}},
        {{"jsonrpc": "2.0", "result": ["hello", 5], "id": "9"}}
    ]""",
    ),
    # a batch of notifications
    (
        """[
        {"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},
        {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}
    ]""",
        None,
    ),
]


def whole(dispatcher: Dispatcher[None], frame: bytes) -> bytes | None:
    """The line that a dispatcher answers with."""

    async def ask() -> bytes | None:
        answer = dispatcher.answer(frame, None)
        parts = await answer if isinstance(answer, asyncio.Future) else answer
        return None if parts is None else b"".join(parts)

    return asyncio.run(ask())


def answered(message: str | bytes) -> Any:
    """What a message is answered with, decoded; None for no answer."""
    frame = message.encode() if isinstance(message, str) else message
    line = whole(Dispatcher(METHODS.get, lambda error: CallError(-32603)), frame)
    if line is None:
        return None
    answer = line
    assert answer.endswith(b"\n")
    assert answer.count(b"\n") == 1
    assert answer.isascii()
    return json.loads(answer)


@pytest.mark.parametrize(("message", "answer"), EXAMPLES)
def test_an_example(message: str, answer: str | None) -> None:
    assert answered(message) == (None if answer is None else json.loads(answer))


@pytest.mark.parametrize("id", [0, -1, 1.5, "", "ü", None, 2**60])
def test_an_id_comes_back_as_it_was(id: object) -> None:
    call = {"jsonrpc": "2.0", "method": "subtract", "params": [2, 1], "id": id}
    assert answered(json.dumps(call)) == {"jsonrpc": "2.0", "result": 1, "id": id}


@pytest.mark.parametrize("id", [True, [], {}, [1]])
def test_what_cannot_be_an_id_is_no_request(id: object) -> None:
    call = {"jsonrpc": "2.0", "method": "subtract", "params": [2, 1], "id": id}
    assert answered(json.dumps(call)) == json.loads(NO_REQUEST)


@pytest.mark.parametrize(
    "change", [{"jsonrpc": "1.0"}, {"jsonrpc": 2.0}, {"method": None}, {"params": "x"}, {"params": None}, {"params": 1}]
)
def test_what_is_no_request(change: dict[str, object]) -> None:
    call = {"jsonrpc": "2.0", "method": "subtract", "params": [2, 1], "id": 1, **change}
    assert answered(json.dumps(call))["error"]["code"] == -32600


@pytest.mark.parametrize("params", [[1], [1, 2, 3], {"minuend": 1}, {"minuend": "1", "subtrahend": 2}, {"x": 1}, []])
def test_params_that_do_not_fit(params: object) -> None:
    answer = answered(json.dumps({"jsonrpc": "2.0", "method": "subtract", "params": params, "id": 7}))
    assert answer["id"] == 7
    assert answer["error"]["code"] == -32602
    assert answer["error"]["message"].startswith("Invalid params: ")


def test_a_method_that_breaks_is_an_internal_error_and_nothing_more() -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret")

    dispatcher: Dispatcher[None] = Dispatcher({"broken": broken}.get, lambda _: CallError(-32603))
    answer = whole(dispatcher, b'{"jsonrpc":"2.0","method":"broken","id":1}')
    assert answer is not None
    assert json.loads(answer)["error"] == {"code": -32603, "message": "Internal error"}
    assert whole(dispatcher, b'{"jsonrpc":"2.0","method":"broken"}') is None


def test_a_batch_may_be_of_a_hundred() -> None:
    call = {"jsonrpc": "2.0", "method": "subtract", "params": [2, 1], "id": 1}
    assert len(answered(json.dumps([call] * 100))) == 100
    assert answered(json.dumps([call] * 101))["error"]["code"] == -32600


@pytest.mark.parametrize("depth", [30, 31, 32, 500, 100_000])
def test_depth(depth: int) -> None:
    message = '{"jsonrpc":"2.0","method":"sum","params":' + "[" * depth + "]" * depth + ',"id":1}'
    if depth < 32:
        assert "error" in answered(message)  # sums of lists there are none, but it was looked at
        assert answered(message)["error"]["code"] == -32603
    else:
        assert answered(message)["error"]["code"] == -32600
        assert answered(message)["id"] is None


@pytest.mark.parametrize(
    "bad", [b"\xff", b'{"jsonrpc":"2.0","method":"\xc3("}', b"\x00", b"NaN", b"{'a':1}", b"\xef\xbb"]
)
def test_bytes_that_are_no_json(bad: bytes) -> None:
    assert answered(bad) == json.loads(NO_JSON)
