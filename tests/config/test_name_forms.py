"""A name whose accents are written in two ways is one name wherever names are compared, and two rows."""

from __future__ import annotations

import unicodedata
from decimal import Decimal
from pathlib import Path

import pytest

from budgauge import BudgetConfig, TokenBudgetTracker
from budgauge.accounting.codec import encode
from budgauge.accounting.records import Reserve, same_content
from budgauge.config import PriceOverride
from budgauge.config.load import Options
from budgauge.doctor.doctor import examine
from budgauge.monitor.rows import tree_of
from budgauge.pricing.price_book import PriceBook
from budgauge.sources.name import AgentNames
from budgauge.status.alerts import ThresholdAlerts
from budgauge.status.row import AgentRow, FamilyRow
from budgauge.status.standing import nearest_end
from budgauge.views.scan import AgentScan
from clock import Clock
from monitor.every_row import table_rows
from usage import Make, line, usage

ONE, TWO = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")


def test_a_retry_in_another_form_is_the_same_call(make: Make) -> None:
    tracker = make(BudgetConfig())
    assert tracker.report_usage(ONE, TWO, 5, 0, id="x")
    assert not tracker.report_usage(TWO, ONE, 5, 0, id="x")
    assert tracker.reserve(ONE, 5, id="h").id == tracker.reserve(TWO, 5, id="h").id
    assert tracker.settle("h", ONE, 5, 0)
    assert not tracker.settle("h", TWO, 5, 0)
    assert not same_content(usage("a"), usage("b"))
    assert not same_content(usage("a", source=ONE), usage("a", source=TWO)), "only names have two forms"


@pytest.mark.parametrize(("key", "model"), [(ONE, TWO), (TWO, ONE)])
def test_a_price_holds_for_a_models_name_in_either_form(make: Make, key: str, model: str) -> None:
    price = PriceOverride(prompt_per_1k=Decimal(1), completion_per_1k=Decimal(1))
    tracker = make(BudgetConfig(prices={key: price}))
    tracker.report_usage("a", model, 1000, 0)
    assert tracker.get_status().cost.total_usd == 1
    assert PriceBook({key: price}).origin(model) == "[token_budget.prices]"
    assert PriceBook({key: price}).missing([model]) == set()


def test_what_is_said_of_a_limit_counts_all_forms(make: Make) -> None:
    tracker, crossings = make(BudgetConfig(per_agent_limits={ONE: 10})), ThresholdAlerts()
    crossings.of(tracker.get_status())
    tracker.report_usage(ONE, "m", 3, 0)
    tracker.report_usage(TWO, "m", 7, 0)
    status = tracker.get_status()
    assert {crossing.message for crossing in crossings.of(status)} == {
        f"Agent {name} exceeded: 100.0% used (10 / 10)" for name in (ONE, TWO)
    }
    standing = nearest_end(status)
    assert standing is not None
    assert (standing.used, standing.limit) == (10, 10)
    assert {(row.used, row.limited) for row in status.agents} == {(3, 10), (7, 10)}


def test_the_monitor_shows_both_forms_below_one_family(make: Make) -> None:
    tracker = make(BudgetConfig(per_agent_limits={f"{TWO}/*": 10}))
    for name in (ONE, f"{TWO}/x", f"{ONE}/y"):
        tracker.report_usage(name, "m", 1, 0)
    tree = tree_of(tracker.get_status(), 0)
    assert list(tree.families) == [f"{ONE}/*"]
    below = [row.agent_id for row in tree.below[f"{ONE}/*"] if isinstance(row, AgentRow)]
    assert sorted(below) == sorted([ONE, f"{TWO}/x", f"{ONE}/y"])
    unlimited = tree_of(make(BudgetConfig()).get_status(), 0)
    assert all(not isinstance(row, FamilyRow) or row.family == f"{ONE}/*" for row in unlimited.below[""])


@pytest.mark.parametrize("typed", [ONE, TWO])
def test_a_filter_finds_both_forms(make: Make, typed: str) -> None:
    tracker = make(BudgetConfig())
    tracker.report_usage(f"{ONE}-1", "m", 1, 0)
    tracker.report_usage(f"{TWO}-2", "m", 1, 0)
    tracker.report_usage("other", "m", 1, 0)
    rows = table_rows(tree_of(tracker.get_status(), 0), lambda row: row.used, words=(typed,))
    assert len(rows) == 2


def test_a_family_in_detail_holds_both_forms(ledger: Path, clock: Clock) -> None:
    ledger.write_bytes(line(f"{ONE}/x", 1, 0) + line(f"{TWO}/y", 2, 0) + line("other", 4, 0))
    for key in (f"{ONE}/*", f"{TWO}/*"):
        scan = AgentScan(ledger, BudgetConfig(), PriceBook({}), key, is_family=True, clock=clock)
        assert sum(row.used for row in scan.look().models) == 3


def test_a_reservation_s_hidden_name_is_flagged(ledger: Path, clock: Clock) -> None:
    ledger.write_bytes(encode(Reserve(1, "h", "a\u200b", 5, clock.now + 60)))
    status = TokenBudgetTracker(BudgetConfig(), ledger=ledger, now=clock).get_status()
    assert [problem.kind for problem in status.problems] == ["hidden_name"]
    found = next(finding for finding in examine(Options(ledger=str(ledger))) if finding.name == "lines")
    assert any("such as 'a\\u200b'" in detail for detail in found.details)


def test_a_project_s_folder_is_named_as_the_config_names_it(make: Make) -> None:
    """Some file systems hand out names with their accents apart."""
    names = AgentNames(by_project=True)
    assert names.of("codex", None, f"/home/me/{TWO}") == names.of("codex", None, f"/home/me/{ONE}/") == ONE
    assert names.of("codex", f"{TWO}\u200b", f"/home/me/{TWO} ") == f"{ONE}/{ONE}"
    tracker = make(BudgetConfig(per_agent_limits={f"{TWO}/*": 10}))
    assert tracker.check(names.of("codex", "worker", f"/x/{TWO}"), 11) is not None


@pytest.mark.parametrize("method", ["getBudget", "check"])
def test_a_limit_is_found_in_either_form_at_every_question(make: Make, method: str) -> None:
    tracker = make(BudgetConfig(per_agent_limits={ONE: 10}))
    tracker.report_usage(TWO, "m", 10, 0)
    if method == "check":
        assert tracker.check(ONE) is not None
        assert tracker.check(TWO) is not None
    else:
        assert tracker.get_status().exceeded == (TWO,)
