"""ThresholdAlerts: each is told once, and again only after it was below."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgauge.accounting.fold import Totals
from budgauge.accounting.limits import Severity, warning_message
from budgauge.config import BudgetConfig
from budgauge.pricing.price_book import PriceBook
from budgauge.status.alerts import ThresholdAlert, ThresholdAlerts
from budgauge.status.snapshot import Snapshot, take_snapshot
from usage import usage

CONFIG = BudgetConfig(total_budget=1000, per_agent_limits={"a": 100, "t/*": 200, "none": 0})


def seen(config: BudgetConfig = CONFIG, *, ledger: str = "", **used: int) -> Snapshot:
    totals = Totals()
    totals.add([usage(agent.replace("_", "/"), tokens, 0) for agent, tokens in used.items()])
    return take_snapshot(totals, config, PriceBook({}), now=0, ledger=ledger)


def told(crossings: ThresholdAlerts, snapshot: Snapshot) -> list[tuple[str, str, str]]:
    return [(crossing.scope, crossing.name, crossing.state) for crossing in crossings.of(snapshot)]


def test_what_stands_at_first_is_not_told() -> None:
    crossings = ThresholdAlerts()
    assert told(crossings, seen(a=2000)) == []
    assert told(crossings, seen(a=2001)) == []


def test_what_stands_at_first_in_another_ledger_is_not_told() -> None:
    crossings = ThresholdAlerts()
    assert told(crossings, seen(ledger="one")) == []
    assert told(crossings, seen(ledger="two", a=100)) == []
    assert told(crossings, seen(ledger="two", a=800)) == [("total", "", "warning")]


def test_each_is_told_once_the_total_first() -> None:
    crossings = ThresholdAlerts()
    assert told(crossings, seen()) == []
    assert told(crossings, seen(a=80, b=720)) == [("total", "", "warning"), ("agent", "a", "warning")]
    assert told(crossings, seen(a=81, b=720)) == []
    assert told(crossings, seen(a=100, b=720, t_x=200)) == [
        ("total", "", "exceeded"),
        ("agent", "a", "exceeded"),
        ("family", "t/*", "exceeded"),
    ]
    assert told(crossings, seen(a=100, b=720, t_x=300)) == []


def test_it_is_armed_again_below_and_an_undo_is_a_way_up() -> None:
    crossings = ThresholdAlerts()
    crossings.of(seen())
    assert told(crossings, seen(a=90)) == [("agent", "a", "warning")]
    assert told(crossings, seen()) == []
    assert told(crossings, seen(a=90)) == [("agent", "a", "warning")]
    assert told(crossings, seen(a=120)) == [("agent", "a", "exceeded")]
    assert told(crossings, seen(a=90)) == []
    assert told(crossings, seen(a=100)) == [("agent", "a", "exceeded")]


def test_a_smaller_limit_is_a_way_up_and_an_unlimited_total_has_none() -> None:
    crossings = ThresholdAlerts()
    crossings.of(seen(b=500))
    assert told(crossings, seen(BudgetConfig(total_budget=500), b=500)) == [("total", "", "exceeded")]
    assert told(crossings, seen(BudgetConfig(total_budget=0), b=500)) == []


def test_an_agent_allowed_nothing_is_told_when_it_is_used() -> None:
    crossings = ThresholdAlerts()
    crossings.of(seen())
    assert told(crossings, seen(none=1)) == [("agent", "none", "exceeded")]


def test_messages() -> None:
    crossings = ThresholdAlerts()
    crossings.of(seen())
    total, agent, family = crossings.of(seen(a=80, t_x=190, b=542))
    assert total.message == warning_message(CONFIG, 812) == "Token budget warning: 81.2% used (812 / 1000)"
    assert agent.message == "Agent a warning: 80.0% used (80 / 100)"
    assert family.message == "Family t/* warning: 95.0% used (190 / 200)"
    assert (family.used, family.limit, family.percentage) == (190, 200, 95.0)


def test_a_hostile_name_stays_as_it_is() -> None:
    crossings = ThresholdAlerts()
    name = "[red]\x1b]0;x\x07[/]"
    config = BudgetConfig(per_agent_limits={name: 10})
    crossings.of(seen(config))
    (crossing,) = crossings.of(seen(config, **{name: 9}))
    assert crossing.name == name
    assert crossing.message == f"Agent {name} warning: 90.0% used (9 / 10)"


HEIGHT = {"ok": 0, "warning": 1, "exceeded": 2}


@given(st.lists(st.integers(0, 130), min_size=1, max_size=30))
def test_once_for_each_way_up(series: list[int]) -> None:
    crossings, found = ThresholdAlerts(), list[list[ThresholdAlert]]()
    states: list[Severity] = []
    for used in series:
        snapshot = seen(a=used)
        states.append(snapshot.agents[0].state if used else "ok")
        found.append([crossing for crossing in crossings.of(snapshot) if crossing.scope == "agent"])
    assert found[0] == []
    for index in range(1, len(series)):
        rises = HEIGHT[states[index]] > HEIGHT[states[index - 1]]
        assert [crossing.state for crossing in found[index]] == ([states[index]] if rises else [])


@given(st.lists(st.tuples(st.integers(0, 130), st.integers(0, 260), st.integers(0, 1200)), min_size=2, max_size=20))
def test_no_two_for_the_same_without_a_way_down_between(series: list[tuple[int, int, int]]) -> None:
    crossings, last = ThresholdAlerts(), dict[tuple[str, str], int]()
    for own, family, others in series:
        snapshot = seen(a=own, t_x=family, b=others)
        states: list[tuple[str, str, Severity]] = [("total", "", snapshot.state)]
        states += [("agent", row.agent_id, row.state if row.used else "ok") for row in snapshot.agents]
        states += [("family", row.family, row.state) for row in snapshot.families]
        for crossing in crossings.of(snapshot):
            subject = (crossing.scope, crossing.name)
            assert HEIGHT[crossing.state] > last.get(subject, 0)
            last[subject] = HEIGHT[crossing.state]
        last = {(scope, name): min(HEIGHT[state], last.get((scope, name), 2)) for scope, name, state in states}


@pytest.mark.parametrize("used", [8_000_000, 12_345_678])
def test_numbers_are_plain(used: int) -> None:
    crossings = ThresholdAlerts()
    config = BudgetConfig(total_budget=10_000_000)
    crossings.of(seen(config))
    (total,) = crossings.of(seen(config, b=used))
    assert "," not in total.message
    assert str(used) in total.message


def test_a_limit_of_0_has_no_percentage() -> None:
    crossings = ThresholdAlerts()
    crossings.of(seen())
    (crossing,) = crossings.of(seen(none=5))
    assert crossing.message == "Agent none exceeded: 5 used, none is allowed"
