"""The methods, over a socket."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from budgauge import TokenBudgetTracker
from faults.crew import wait_until
from served import Client, Configured, lines, report
from usage import line, locked


def test_a_report_is_recorded_and_answered(client: Client, ledger: Path) -> None:
    before = int(time.time())
    answer = client().result("tokens.reportUsage", report(cached_tokens=1000, project="p", session="s", source="x"))
    assert answer == {
        "success": True,
        "added": True,
        "remaining_budget": 997_700,
        "total_used": 2300,
        "usage_percentage": 0.23,
    }
    (record,) = lines(ledger)
    assert record.items() >= {**report(cached_tokens=1000, project="p", session="s"), "total_tokens": 2300}.items()
    assert before <= record["timestamp"] <= time.time()


def test_by_place(client: Client, ledger: Path) -> None:
    assert client().result("tokens.reportUsage", ["a", "gpt-4", 10, 5])["total_used"] == 15
    assert client().result("tokens.check", ["a", 5]) == {"allowed": True, "message": None, "refusal": None}


def test_a_retry_with_its_id_counts_once(client: Client, ledger: Path) -> None:
    first, second = client(), client()
    assert first.result("tokens.reportUsage", report(id="x"))["added"]
    again = second.result("tokens.reportUsage", report(id="x"))
    assert (again["success"], again["added"], again["total_used"]) == (True, False, 2300)
    other = second.error("tokens.reportUsage", report(id="x", completion=1))
    assert other["code"] == 1005
    assert len(lines(ledger)) == 1


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "missing required field"),
        (report(prompt=-1), "prompt_tokens"),
        (report(prompt=1.5), "prompt_tokens"),
        (report(prompt=True), "prompt_tokens"),
        (report(prompt="5"), "prompt_tokens"),
        (report(prompt=2**53), "prompt_tokens"),
        (report(agent=""), "agent_id"),
        (report(agent="\x1b]0;x\x07"), "control character"),
        (report(agent="x" * 129), "agent_id"),
        (report(cached_tokens=1501), "cached_tokens"),
        (report(prompt_token=1), "prompt_token"),
        (report(total_tokens=1), "total_tokens"),
        (report(timestamp=-1), "timestamp"),
        (report(id=""), "id"),
        (["a", "m", 1], "completion_tokens"),
        (["a"] * 30, "at most"),
    ],
)
def test_bad_params_are_named_and_nothing_is_recorded(client: Client, ledger: Path, params: Any, words: str) -> None:
    error = client().error("tokens.reportUsage", params)
    assert error["code"] == -32602
    assert error["message"].startswith("Invalid params: ")
    assert words in error["message"]
    assert not ledger.exists() or not ledger.read_bytes()


def test_refusals(client: Client, configured: Configured, ledger: Path) -> None:
    configured('total_budget = 1_000_000\n[token_budget.per_agent_limits]\nexpensive-agent = 50_000\n"team/*" = 10_000')
    caller = client()
    caller.result("tokens.reportUsage", report("expensive-agent", 48_000, 0))
    assert caller.error("tokens.reportUsage", report("expensive-agent", 3000, 0)) == {
        "code": 1001,
        "message": "Agent expensive-agent would exceed limit of 50000 tokens (current: 48000, requested: 3000)",
        "data": {
            "scope": "agent",
            "agent_id": "expensive-agent",
            "limit": 50_000,
            "current": 48_000,
            "requested": 3000,
            "hint": caller.error("tokens.reportUsage", report("expensive-agent", 3000, 0))["data"]["hint"],
        },
    }
    family = caller.error("tokens.reserve", {"agent_id": "team/x", "tokens": 10_001})
    assert (family["code"], family["data"]["scope"], family["data"]["agent_id"]) == (1001, "family", "team/*")
    total = caller.error("tokens.reportUsage", report("b", 10_000_000, 0))
    assert total["code"] == 1002
    assert total["message"] == (
        "Total budget of 1000000 tokens would be exceeded (current: 48000, requested: 10000000)"
    )
    assert total["data"].items() >= {"scope": "total", "agent_id": None, "limit": 1_000_000}.items()
    assert caller.result("tokens.reportUsage", report("b", 10_000_000, 0, spent=True))["remaining_budget"] == 0
    refused = caller.error("tokens.reportUsage", report("b", 1, 0))
    assert refused["message"].endswith("would be exceeded (current: 10048000, requested: 1)")
    assert caller.result("tokens.check", {"agent_id": "b", "tokens": 1}) == {
        "allowed": False,
        "message": refused["message"],
        "refusal": refused,
    }
    assert len(lines(ledger)) == 2


def test_the_budget_is_that_of_status(client: Client, ledger: Path) -> None:
    caller = client()
    caller.result("tokens.reportUsage", report())
    wait_until(lambda: caller.result("tokens.getBudget")["cost"]["total_usd"] is not None)
    budget = caller.result("tokens.getBudget")
    from budgauge.status.fields import status_fields

    status = json.loads(json.dumps(status_fields(TokenBudgetTracker(ledger=ledger).get_status())))
    assert budget == {**status, "used": 2300, "remaining": 997_700}
    assert caller.error("tokens.getBudget", {"x": 1})["code"] == -32602
    with ledger.open("ab") as file:
        file.write(line("foreign", 100, 0))
    assert caller.result("tokens.getBudget", {})["agent_totals"] == {"a": 2300, "foreign": 100}


def test_an_unlimited_budget(client: Client, configured: Configured) -> None:
    configured("total_budget = 0")
    answer = client().result("tokens.reportUsage", report())
    assert (answer["remaining_budget"], answer["usage_percentage"], answer["total_used"]) == (None, None, 2300)


def test_reserve_settle_and_release(client: Client, ledger: Path) -> None:
    caller = client()
    before = int(time.time())
    hold = caller.result("tokens.reserve", {"agent_id": "a", "tokens": 900_000, "ttl": 600})
    assert hold.keys() == {"reserve", "expires", "remaining_budget"}
    assert before + 600 <= hold["expires"] <= time.time() + 601
    assert hold["remaining_budget"] == 1_000_000
    assert caller.result("tokens.getBudget")["reserved"] == 900_000
    assert caller.error("tokens.reserve", {"agent_id": "b", "tokens": 100_001})["code"] == 1002
    settle = {"reserve": hold["reserve"], "model": "gpt-4", "prompt_tokens": 10, "completion_tokens": 5}
    assert caller.result("tokens.settle", settle)["total_used"] == 15
    assert caller.result("tokens.settle", settle)["added"] is False
    assert caller.error("tokens.settle", {**settle, "prompt_tokens": 11})["code"] == 1004
    assert caller.error("tokens.release", {"reserve": hold["reserve"]})["code"] == 1004
    again = {"agent_id": "b", "tokens": 100, "id": "r1"}
    other = caller.result("tokens.reserve", again)
    assert other["reserve"] == "r1"
    assert caller.result("tokens.reserve", again) == {**other, "expires": pytest.approx(other["expires"], abs=5)}
    assert caller.result("tokens.release", {"reserve": "r1", "id": "x"}) == {"success": True}
    assert caller.result("tokens.release", {"reserve": "r1", "id": "x"}) == {"success": True}
    assert caller.error("tokens.release", {"reserve": "r1"})["code"] == 1004
    assert caller.error("tokens.settle", {**settle, "reserve": "unknown"})["code"] == 1004
    assert [record.get("type") for record in lines(ledger)] == ["reserve", "settle", "reserve", "release"]
    assert caller.error("tokens.reserve", {"agent_id": "a", "tokens": 1, "ttl": 0})["code"] == -32602


TIERED = {"service_tier": "priority", "speed": "fast", "inference_geo": "us", "web_search_requests": 2}


def test_a_settled_call_keeps_what_it_costs_beside_its_tokens(client: Client, ledger: Path) -> None:
    caller = client()
    hold = caller.result("tokens.reserve", {"agent_id": "a", "tokens": 2000, "ttl": 600})
    settle = {"reserve": hold["reserve"], "model": "gpt-5.5", "prompt_tokens": 1000, "completion_tokens": 0}
    assert caller.result("tokens.settle", {**settle, "service_tier": "priority"})["total_used"] == 1000
    wait_until(lambda: caller.result("tokens.getBudget")["cost"]["total_usd"] == "0.0125")
    assert lines(ledger)[-1].items() >= {"type": "settle", "service_tier": "priority"}.items()


def test_every_charge_of_a_settled_or_reported_call_is_recorded(client: Client, ledger: Path) -> None:
    caller = client()
    hold = caller.result("tokens.reserve", {"agent_id": "a", "tokens": 2000, "ttl": 600})
    used = {"model": "gpt-5.5", "prompt_tokens": 10, "completion_tokens": 5, **TIERED}
    caller.result("tokens.settle", {**used, "reserve": hold["reserve"]})
    caller.result("tokens.reportUsage", {**used, "agent_id": "a"})
    settled, reported = lines(ledger)[-2:]
    assert settled.items() >= TIERED.items() <= reported.items()


@pytest.mark.parametrize("wrong", [{"service_tier": 5}, {"speed": "\x1b"}, {"web_search_requests": -1}])
def test_a_charge_that_is_none_ends_no_reservation(client: Client, ledger: Path, wrong: dict[str, Any]) -> None:
    caller = client()
    hold = caller.result("tokens.reserve", {"agent_id": "a", "tokens": 2000, "ttl": 600})
    settle = {"reserve": hold["reserve"], "model": "gpt-5.5", "prompt_tokens": 10, "completion_tokens": 5}
    error = caller.error("tokens.settle", {**settle, **wrong})
    assert (error["code"], next(iter(wrong)) in error["message"]) == (-32602, True)
    assert caller.result("tokens.getBudget")["reserved"] == 2000


def test_a_reset_only_if_nobody_else_did(client: Client, ledger: Path) -> None:
    caller = client()
    caller.result("tokens.reportUsage", report())
    assert caller.result("tokens.getBudget")["reset_id"] is None
    first = caller.result("tokens.reset", {"expected_reset_id": None})["reset_id"]
    assert caller.result("tokens.getBudget")["reset_id"] == first
    late = caller.error("tokens.reset", {"expected_reset_id": None})
    assert late["code"] == 1003
    assert caller.result("tokens.reset", {"expected_reset_id": first, "agent_id": "a", "id": "mine"}) == {
        "reset_id": "mine"
    }
    assert caller.result("tokens.reset", {"expected_reset_id": first, "agent_id": "a", "id": "mine"}) == {
        "reset_id": "mine"
    }
    resets = [record for record in lines(ledger) if record.get("type") == "reset"]
    assert [(reset["by"], reset.get("agent_id")) for reset in resets] == [("rpc", None), ("rpc", "a")]
    assert caller.result("tokens.reset")["reset_id"] != "mine"


def test_notifications_are_done_and_not_answered(client: Client, ledger: Path) -> None:
    caller = client()
    caller.send({"jsonrpc": "2.0", "method": "tokens.reportUsage", "params": report()})
    caller.send({"jsonrpc": "2.0", "method": "tokens.reportUsage", "params": report(prompt=10**9)})
    assert caller.result("tokens.getBudget")["total_used"] == 2300


def test_a_batch_is_done_in_order(client: Client) -> None:
    caller = client()
    caller.send(
        [
            {"jsonrpc": "2.0", "method": "tokens.reserve", "params": ["a", 100, 60, "r"], "id": "one"},
            {"jsonrpc": "2.0", "method": "tokens.settle", "params": ["r", "gpt-4", 7, 0], "id": "two"},
            {"jsonrpc": "2.0", "method": "subscribe", "params": ["tokens.updated"], "id": "three"},
        ]
    )
    one, two, three = caller.read()
    assert (one["id"], one["result"]["reserve"]) == ("one", "r")
    assert (two["id"], two["result"]["total_used"]) == ("two", 7)
    assert three == {"jsonrpc": "2.0", "result": {"subscribed": ["tokens.updated"]}, "id": "three"}
    assert caller.read()["params"]["data"]["total_used"] == 7


@pytest.mark.parametrize("sync", [False, True])
def test_while_another_holds_the_lock_only_charges_wait(
    client: Client, configured: Configured, ledger: Path, sync: bool
) -> None:
    configured(f"sync = {str(sync).lower()}")
    waiting, other = client(), client()
    other.result("tokens.reportUsage", report())
    with locked(ledger):
        waiting.send({"jsonrpc": "2.0", "method": "tokens.reportUsage", "params": report(id="w"), "id": 1})
        waiting.send({"jsonrpc": "2.0", "method": "tokens.getBudget", "id": 2})
        assert waiting.is_quiet()
        assert other.result("tokens.getBudget")["total_used"] == 2300
        other.send({"jsonrpc": "2.0", "method": "tokens.reportUsage", "params": report("b"), "id": 3})
        assert other.is_quiet(0.1)
    first, second = waiting.read(), waiting.read()
    assert (first["id"], first["result"]["added"]) == (1, True)
    assert (second["id"], second["result"]["total_used"] >= 4600) == (2, True)
    assert other.read()["id"] == 3
    assert other.result("tokens.getBudget")["total_used"] == 6900
    assert sorted(record.get("id", "") for record in lines(ledger)) == ["", "", "w"]


def test_a_ledger_that_cannot_be_written_acknowledges_nothing(client: Client, ledger: Path) -> None:
    caller = client()
    caller.result("tokens.reportUsage", report())
    ledger.unlink()
    ledger.mkdir()
    error = caller.error("tokens.reportUsage", report())
    assert error["code"] == 1006
    assert str(ledger) in error["message"]
    assert caller.error("tokens.getBudget")["code"] == 1006
    assert caller.error("tokens.check", ["a", 1])["code"] == 1006
    ledger.rmdir()
    assert caller.result("tokens.reportUsage", report())["total_used"] == 2300


def test_a_new_config_is_in_force_soon(client: Client, configured: Configured) -> None:
    configured("total_budget = 5000")
    caller = client()
    caller.result("tokens.reportUsage", report())
    assert caller.error("tokens.reportUsage", report(prompt=5000))["code"] == 1002
    configured("total_budget = 50_000")
    deadline = time.monotonic() + 30
    while not caller.result("tokens.check", ["a", 5000])["allowed"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert caller.result("tokens.reportUsage", report(prompt=5000))["success"]
