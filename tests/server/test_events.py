"""What subscribers are told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from budgauge import TokenBudgetTracker
from budgauge.server import events
from faults.crew import wait_until
from served import Bare, Client, Configured, report
from usage import line, locked

ALL = list(events.TOPICS)


def total(event: dict[str, Any]) -> int:
    return event["data"].get("total_used", -1)  # type: ignore[no-any-return]  # a count


def topics(seen: list[dict[str, Any]]) -> list[str]:
    return [event["topic"] for event in seen]


@pytest.mark.parametrize("params", [["tokens.updated"], {"topics": ["tokens.updated"]}])
def test_the_answer_comes_first_and_then_the_present_state(client: Client, params: Any) -> None:
    caller = client()
    caller.result("tokens.reportUsage", report())
    before = int(time.time())
    caller.send({"jsonrpc": "2.0", "method": "subscribe", "params": params, "id": 9})
    assert caller.read() == {"jsonrpc": "2.0", "result": {"subscribed": ["tokens.updated"]}, "id": 9}
    event = caller.read()
    assert event.keys() == {"jsonrpc", "method", "params"}
    assert event["method"] == event["params"]["topic"] == "tokens.updated"
    assert event["params"]["data"]["total_used"] == 2300
    assert event["params"]["data"]["ledger"]
    moment = event["params"]["timestamp"]
    assert moment.endswith("Z")
    assert before <= datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp() <= time.time() + 1
    assert caller.is_quiet()


def subscribed(client: Client, *names: str) -> Bare:
    """A subscriber that has seen the present state."""
    caller = client()
    assert caller.result("subscribe", list(names or ALL))
    caller.events(lambda event: True)
    return caller


def test_it_is_told_whoever_wrote_the_line(client: Client, ledger: Path) -> None:
    other = client()
    caller = subscribed(client)
    other.result("tokens.reportUsage", report())
    caller.events(lambda event: total(event) == 2300)
    TokenBudgetTracker(ledger=ledger).report_usage("library", "gpt-4", 100, 0)
    caller.events(lambda event: total(event) == 2400)
    with ledger.open("ab") as file:
        file.write(line("foreign", 7, 0))
    (event,) = caller.events(lambda event: total(event) == 2407)[-1:]
    assert event["data"]["agent_totals"] == {"a": 2300, "library": 100, "foreign": 7}
    caller.result("tokens.reportUsage", report("itself", 1, 0))
    caller.events(lambda event: total(event) == 2408)


def test_only_what_was_asked_for_is_told(client: Client) -> None:
    other, caller = client(), subscribed(client, "ledger.reset")
    other.result("tokens.reportUsage", report())
    assert caller.is_quiet()
    reset = other.result("tokens.reset")["reset_id"]
    (event,) = caller.events(lambda event: True)
    assert event["topic"] == "ledger.reset"
    assert event["data"].items() >= {"reset_id": reset, "before": None}.items()
    assert caller.result("unsubscribe", ["tokens.updated"]) == {"subscribed": ["ledger.reset"]}
    assert caller.result("unsubscribe", {"topics": ["ledger.reset"]}) == {"subscribed": []}
    other.result("tokens.reset")
    assert caller.is_quiet()


@pytest.mark.parametrize("method", ["subscribe", "unsubscribe"])
@pytest.mark.parametrize("params", [None, [], {}, {"topic": ["x"]}, ["tokens.updated", "x"], [1], "x"])
def test_topics_that_there_are_not(client: Client, method: str, params: Any) -> None:
    caller = client()
    if params == []:
        assert caller.result(method, params) == {"subscribed": []}
        return
    assert caller.error(method, params)["code"] in (-32602, -32600)
    caller.result("tokens.reportUsage", report())
    assert caller.is_quiet()


def test_limits_are_told_once_a_crossing(client: Client, configured: Configured) -> None:
    configured("total_budget = 1000\nwarning_threshold = 80\n[token_budget.per_agent_limits]\nb = 100")
    caller, other = subscribed(client, "budget.warning", "budget.exceeded"), client()
    other.result("tokens.reportUsage", report("a", 799, 0))
    assert caller.is_quiet()
    other.result("tokens.reportUsage", report("a", 1, 0))
    (warning,) = caller.events(lambda event: True)
    assert warning["topic"] == "budget.warning"
    assert warning["data"] == {
        "scope": "total",
        "agent_id": None,
        "used": 800,
        "limit": 1000,
        "usage_percentage": 80.0,
        "message": "Token budget warning: 80.0% used (800 / 1000)",
    }
    other.result("tokens.reportUsage", report("a", 50, 0))
    assert caller.is_quiet()
    other.result("tokens.reportUsage", report("b", 100, 0))
    (exceeded,) = caller.events(lambda event: True)
    assert (exceeded["topic"], exceeded["data"]["scope"], exceeded["data"]["agent_id"]) == (
        "budget.exceeded",
        "agent",
        "b",
    )
    other.result("tokens.reportUsage", report("a", 50, 0))
    assert caller.events(lambda event: True)[0]["data"]["scope"] == "total"
    other.result("tokens.reset")
    assert caller.is_quiet()
    other.result("tokens.reportUsage", report("a", 850, 0))
    assert caller.events(lambda event: True)[0]["topic"] == "budget.warning"


def test_one_who_comes_late_is_told_of_no_crossing_before(client: Client) -> None:
    other = client()
    other.result("tokens.reportUsage", report("a", 900_000, 0))
    caller = client()
    caller.result("subscribe", ["budget.warning"])
    (event,) = caller.events(lambda event: True)
    assert (event["topic"], event["data"]["state"]) == ("tokens.updated", "warning")
    assert caller.is_quiet()


def test_a_changed_config_is_told_and_so_is_what_it_exceeds(client: Client, configured: Configured) -> None:
    configured("total_budget = 1000")
    other, caller = client(), subscribed(client)
    other.result("tokens.reportUsage", report("a", 500, 0))
    caller.events(lambda event: total(event) == 500)
    configured('total_budget = 400\nwarning_threshold = 70\n[token_budget.per_agent_limits]\n"x/*" = 5')
    seen = caller.events(lambda event: event["topic"] == "budget.exceeded")
    changed = next(event for event in seen if event["topic"] == "config.changed")
    assert changed["data"] == {
        "total_budget": 400,
        "warning_threshold": 70,
        "per_agent_limits": {"x/*": 5},
        "count": "all",
    }
    assert other.error("tokens.reportUsage", report("a", 1, 0))["code"] == 1002


@pytest.mark.parametrize("asks", [None, "tokens.getBudget", "subscribe"])
def test_bursts_are_merged(client: Client, asks: str | None) -> None:
    other, third, caller = client(), client(), subscribed(client)
    for _ in range(400):
        other.result("tokens.reportUsage", report("a", 1, 0))
        if asks:
            third.result(asks, ["budget.warning"] if asks == "subscribe" else None)
    seen = caller.events(lambda event: total(event) == 400)
    assert 1 <= len(seen) < 300, "many reports are told of in one event"


TOLD = 40
"""So many events go to one that reads, beside one that does not."""


def test_one_that_does_not_read_keeps_nobody_waiting_and_then_has_the_latest(
    client: Client, configured: Configured
) -> None:
    configured("total_budget = 0")
    other, stalled, caller = client(), client(), subscribed(client)
    for number in range(400):
        other.result("tokens.reportUsage", report(f"agent-{number:0100}", 1, 0))
    assert stalled.result("subscribe", ALL)
    used = 400
    for _ in range(TOLD):
        used += 1
        other.result("tokens.reportUsage", report("b", 1, 0))
        caller.events(lambda event, used=used: total(event) == used)  # type: ignore[misc]  # a default binds it
    seen = stalled.events(lambda event: total(event) == used)
    # What the system's own buffers took was sent; of all that came after, the latest alone.
    assert len(seen) < TOLD * 0.8
    other.result("tokens.reportUsage", report("b", 1, 0))
    stalled.events(lambda event: total(event) == used + 1)


def test_one_that_misses_too_much_is_told_to_look_again(
    client: Client, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    from budgauge.server import connection

    monkeypatch.setattr(connection, "MAX_MISSED", 2)
    monkeypatch.setattr(events, "SHORTEST_SECONDS", 0.001)
    configured("total_budget = 0")
    other, stalled = client(), client()
    for number in range(400):
        other.result("tokens.reportUsage", report(f"agent-{number:0100}", 1, 0))
    assert stalled.result("subscribe", ALL)
    for _ in range(60):
        other.result("tokens.reset", {"agent_id": "b"})
        other.result("tokens.reportUsage", report("b", 1, 0))
        time.sleep(0.01)
    used = other.result("tokens.getBudget")["total_used"]
    seen = stalled.events(lambda event: event["topic"] == "resync")
    assert seen[-1]["data"]["missed"] > 2
    stalled.events(lambda event: total(event) == used)


def test_a_subscriber_that_goes_is_forgotten(client: Client, serve: Callable[..., Any]) -> None:
    served = serve()
    other, caller = client(served.path), client(served.path)
    caller.result("subscribe", ALL)
    caller.close()

    def is_forgotten() -> bool:
        other.result("tokens.reportUsage", report())
        return len(served.server._connections) == 1 and not served.server.events._subscribers

    wait_until(is_forgotten)


def test_nothing_comes_before_the_answer_to_subscribe(client: Client, ledger: Path) -> None:
    other = client()
    for _ in range(30):
        caller = client()
        calls = [
            {"jsonrpc": "2.0", "method": "subscribe", "params": ALL, "id": 1},
            {"jsonrpc": "2.0", "method": "tokens.reportUsage", "params": report(), "id": 2},
            {"jsonrpc": "2.0", "method": "tokens.getBudget", "id": 3},
        ]
        other.send({"jsonrpc": "2.0", "method": "tokens.reportUsage", "params": report()})
        caller.send("".join(json.dumps(call) + "\n" for call in calls))
        assert caller.read()["id"] == 1
        assert caller.read()["method"] == "tokens.updated"
        while caller.read().get("id") != 3:
            pass
        caller.close()


def test_nor_before_that_of_a_batch_that_waits(client: Client, ledger: Path) -> None:
    caller, other = client(), client()
    assert caller.result("tokens.reportUsage", report())
    with locked(ledger):
        caller.send(
            [
                {"jsonrpc": "2.0", "method": "subscribe", "params": ["tokens.updated"], "id": 1},
                {"jsonrpc": "2.0", "method": "tokens.reportUsage", "params": report(), "id": 2},
            ]
        )
        with ledger.open("ab") as file:
            file.write(line("foreign", 7, 0))
        assert other.result("tokens.getBudget")["total_used"] == 2307
        assert caller.is_quiet()
    assert [answer["id"] for answer in caller.read()] == [1, 2]
    assert caller.read()["params"]["data"]["total_used"] >= 2307
