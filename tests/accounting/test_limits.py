"""The rules: what is admitted, what is refused and in which words, how near the end is."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgauge.accounting.fold import Totals
from budgauge.accounting.limits import (
    BudgetUsage,
    families_of,
    own_limit,
    percentage,
    refusal,
    severity,
    warning_due,
    warning_message,
)
from budgauge.accounting.records import Record
from budgauge.config import BudgetConfig
from budgauge.errors import AgentLimitExceededError, BudgetExceededError, RefusedError
from usage import usage


def asked(config: BudgetConfig, spent: dict[str, int], agent_id: str, requested: int) -> RefusedError | None:
    totals = Totals()
    totals.add([usage(name, tokens, 0) for name, tokens in spent.items()])
    return refusal(config, BudgetUsage.at(config, totals, 0), agent_id, requested)


def test_an_agents_refusal_to_the_letter() -> None:
    config = BudgetConfig(per_agent_limits={"expensive-agent": 50000})
    error = asked(config, {"expensive-agent": 48000}, "expensive-agent", 3000)
    assert isinstance(error, AgentLimitExceededError)
    assert str(error) == "Agent expensive-agent would exceed limit of 50000 tokens (current: 48000, requested: 3000)"
    assert (error.scope, error.agent_id) == ("agent", "expensive-agent")
    assert (error.limit, error.current, error.requested) == (50000, 48000, 3000)


def test_the_totals_refusal_to_the_letter() -> None:
    error = asked(BudgetConfig(), {"a": 995000}, "b", 10000)
    assert isinstance(error, BudgetExceededError)
    assert str(error) == "Total budget of 1000000 tokens would be exceeded (current: 995000, requested: 10000)"
    assert error.scope == "total"


def test_a_familys_refusal_has_its_key_as_the_agent() -> None:
    config = BudgetConfig(per_agent_limits={"claude-code/*": 100})
    error = asked(config, {"claude-code": 50, "claude-code/x": 40}, "claude-code/y/z", 11)
    assert isinstance(error, AgentLimitExceededError)
    assert str(error) == "Agent claude-code/* would exceed limit of 100 tokens (current: 90, requested: 11)"
    assert (error.scope, error.agent_id) == ("family", "claude-code/*")


def test_advice_stands_apart_from_the_message() -> None:
    error = asked(BudgetConfig(total_budget=1), {}, "a", 2)
    assert error is not None
    for word in ("raise", "reset", "billing", "shorten", "cheaper", "split"):
        assert re.search(word, error.hint, re.IGNORECASE)
        assert not re.search(word, str(error), re.IGNORECASE)


def test_the_warning_to_the_letter() -> None:
    assert warning_message(BudgetConfig(), 812000) == "Token budget warning: 81.2% used (812000 / 1000000)"


LIMITS = {"f/a": 10, "f/*": 20, "f/a/*": 15}


@pytest.mark.parametrize(
    ("total", "requested", "who"),
    [(30, 10, None), (30, 11, "f/a"), (10, 11, "f/a"), (5, 6, "total"), (30, 0, None)],
)
def test_the_agents_own_limit_comes_first_the_total_last(total: int, requested: int, who: str | None) -> None:
    error = asked(BudgetConfig(total_budget=total, per_agent_limits=LIMITS), {}, "f/a", requested)
    assert getattr(error, "agent_id", error and "total") == who


@pytest.mark.parametrize(
    ("spent", "who"),
    [({"f/a/x": 9}, "f/a/*"), ({"f": 14}, "f/*"), ({"f": 14, "f/a/x": 9}, "f/a/*"), ({"ff": 14, "g/a": 99}, None)],
)
def test_then_each_family_nearest_first(spent: dict[str, int], who: str | None) -> None:
    error = asked(BudgetConfig(per_agent_limits=LIMITS), spent, "f/a", 7)
    assert getattr(error, "agent_id", None) == who


def test_an_agent_named_like_a_family_has_the_familys_limit_not_its_own() -> None:
    config = BudgetConfig(per_agent_limits={"a/*": 10})
    error = asked(config, {"a": 9}, "a/*", 2)
    assert isinstance(error, AgentLimitExceededError)
    assert (error.scope, error.current) == ("family", 9)
    assert own_limit(config, "a/*") is None


@pytest.mark.parametrize("limits", [{"a": 0}, {"a/*": 0}])
def test_a_limit_of_0_allows_nothing(limits: dict[str, int]) -> None:
    config = BudgetConfig(per_agent_limits=limits)
    assert isinstance(asked(config, {}, "a", 1), AgentLimitExceededError)
    assert asked(config, {}, "a", 0) is None
    assert asked(config, {}, "b", 1) is None


def test_without_a_total_agent_limits_hold() -> None:
    config = BudgetConfig(total_budget=0, per_agent_limits={"a": 5})
    assert asked(config, {"b": 2**60}, "b", 2**53) is None
    assert isinstance(asked(config, {}, "a", 6), AgentLimitExceededError)


def test_uncached_counting_leaves_cache_reads_out() -> None:
    config = BudgetConfig(total_budget=10, per_agent_limits={"a": 10, "a/*": 10}, count="uncached")
    totals = Totals()
    totals.add([usage("a", 1000, 5, cached_tokens=1000)])
    spending = BudgetUsage.at(config, totals, 0)
    assert (spending.by_all(), spending.by_agent("a"), spending.by_family("a/*")) == (5, 5, 5)
    assert refusal(config, spending, "a", 5) is None
    assert refusal(config, spending, "a", 6) is not None


def test_families_above_an_agent() -> None:
    assert list(families_of("a/b/c")) == ["a/b/c/*", "a/b/*", "a/*"]
    assert list(families_of("a")) == ["a/*"]


def test_a_threshold_of_0_warns_once_something_was_used() -> None:
    config = BudgetConfig(total_budget=100, warning_threshold=0)
    assert [severity(used, 100, 0) for used in (0, 1)] == ["ok", "warning"]
    assert [warning_due(config, used) for used in (0, 1)] == [False, True]


@pytest.mark.parametrize(
    ("used", "limit", "state"),
    [
        (79, 100, "ok"),
        (80, 100, "warning"),
        (99, 100, "warning"),
        (100, 100, "exceeded"),
        (0, 0, "exceeded"),
        (5, None, "ok"),
    ],
)
def test_severity(used: int, limit: int | None, state: str) -> None:
    assert severity(used, limit, 80) == state


def test_percentages() -> None:
    assert (percentage(812000, 1000000), percentage(5, None), percentage(0, 0)) == (81.2, None, 100.0)


@given(st.integers(1, 1000), st.integers(1, 10**12))
def test_the_threshold_is_met_exactly_where_it_stands(tenths: int, thousand: int) -> None:
    """33.3 % of 1,000 is 333, though 33.3 has no exact float."""
    config = BudgetConfig(total_budget=1000 * thousand, warning_threshold=tenths / 10)
    at = tenths * thousand
    assert warning_due(config, at)
    assert severity(at, config.total_budget, config.warning_threshold) != "ok"
    assert not warning_due(config, at - 1) or tenths == 0


@pytest.mark.parametrize("threshold", [0, 100])
def test_thresholds_at_the_ends(threshold: float) -> None:
    assert not warning_due(BudgetConfig(total_budget=10, warning_threshold=threshold), 0)
    assert warning_due(BudgetConfig(total_budget=10, warning_threshold=threshold), 10)
    assert not warning_due(BudgetConfig(total_budget=0, warning_threshold=threshold), 10)


agents = st.sampled_from(["a", "a/b", "a/b/c", "d"])
limits = st.dictionaries(st.sampled_from(["a", "a/b", "d", "a/*", "a/b/*", "d/*"]), st.integers(0, 60))
calls = st.lists(st.tuples(agents, st.integers(0, 30), st.integers(0, 30)), max_size=25)


@given(limits, st.integers(0, 100), calls, st.sampled_from(["all", "uncached"]))
def test_whoever_asks_first_never_goes_over(
    limits: dict[str, int], total: int, calls: list[tuple[str, int, int]], count: Literal["all", "uncached"]
) -> None:
    config = BudgetConfig(total_budget=total, per_agent_limits=limits, count=count)
    admitted: list[Record] = []
    for agent_id, tokens, cached in calls:
        record = usage(agent_id, tokens, 0, cached_tokens=min(cached, tokens))
        error = refusal(config, spending(config, admitted), agent_id, config.counted(tokens, min(cached, tokens)))
        over = keys_over(config, spending(config, [*admitted, record]))
        if error is None:
            assert over == []
            admitted.append(record)
        else:
            assert getattr(error, "agent_id", "total") in over


def spending(config: BudgetConfig, records: list[Record]) -> BudgetUsage:
    totals = Totals()
    totals.add(records)
    return BudgetUsage.at(config, totals, 0)


def keys_over(config: BudgetConfig, spending: BudgetUsage) -> list[str]:
    """The limits that are exceeded, and `total`."""
    used = {
        key: spending.by_family(key) if key.endswith("/*") else spending.by_agent(key)
        for key in config.per_agent_limits
    }
    over = [key for key, limit in config.per_agent_limits.items() if used[key] > limit]
    return [*over, "total"] if 0 < config.total_budget < spending.by_all() else over
