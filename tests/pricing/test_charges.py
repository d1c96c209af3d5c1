"""What a call costs beside its tokens, from the line in a log or ledger to the dollars shown."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from budgauge.accounting.fold import Totals
from budgauge.accounting.record_checks import make_usage
from budgauge.accounting.records import Usage
from budgauge.accounting.sdk_response import usage_of
from budgauge.config import BudgetConfig, PriceOverride
from budgauge.config.model_name import ModelName, model_name
from budgauge.errors import ConfigError, RecordError
from budgauge.ledger.pages import more_than
from budgauge.pricing.price_book import PriceBook, lookup
from budgauge.sources.claude_code import transcript as claude_session
from budgauge.sources.codex.rollout import Rollout
from budgauge.status.cost import price_advice
from budgauge.status.snapshot import Snapshot, take_snapshot
from sources.rollouts import Log
from sources.sessions import Session, tokens


def snapshot(*calls: Usage, config: BudgetConfig | None = None) -> Snapshot:
    config = config or BudgetConfig()
    prices = PriceBook(config.prices, factors=config.price_factors)
    prices.resolve({call.model for call in calls})
    totals = Totals(prices.pricing_of)
    totals.add(calls)
    return take_snapshot(totals, config, prices, now=0)


def cost(model: str, prompt: int = 1_000_000, completion: int = 0, **fields: object) -> Decimal | None:
    call = make_usage("a", model, prompt, completion, timestamp=0, **fields)  # type: ignore[arg-type]  # checked there
    return snapshot(call).cost.total_usd


@pytest.mark.parametrize(
    ("model", "fields", "usd"),
    [
        ("claude-opus-4-8", {}, "0.5"),
        ("claude-opus-4-8", {"speed": "fast"}, "1"),
        ("claude-opus-4-7", {"speed": "fast"}, "3"),
        ("claude-sonnet-4-6", {"speed": "fast"}, None),
        ("claude-sonnet-4-6", {"inference_geo": "us"}, "0.33"),
        ("claude-opus-4-8", {"inference_geo": "us", "speed": "fast"}, "1.1"),
        ("claude-sonnet-4-6", {"inference_geo": "mars"}, None),
        ("claude-sonnet-4-6", {"web_search_requests": 7}, "0.37"),
        ("claude-sonnet-4-6", {"service_tier": "batch"}, "0.15"),
        ("claude-sonnet-4-6", {"service_tier": "priority"}, None),
        ("gpt-5.5", {"service_tier": "priority"}, "1.25"),
        ("gpt-5.4", {"service_tier": "priority"}, "0.5"),
        ("gpt-5.5", {"service_tier": "flex"}, "0.25"),
        ("gpt-5.5", {"service_tier": "scale"}, None),
        ("gpt-5.5", {"service_tier": "default"}, "0.5"),
        ("gpt-5.5", {"web_search_requests": 1}, None),
    ],
)
def test_a_call_costs_its_tokens_times_its_factors(model: str, fields: dict[str, object], usd: str | None) -> None:
    assert cost(model, 100_000, **fields) == (None if usd is None else Decimal(usd))


@pytest.mark.parametrize(
    ("model", "plain", "is_regional"),
    [
        ("global.anthropic.claude-opus-4-8", "claude-opus-4-8", False),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929", True),
        ("bedrock/eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929", True),
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929", False),
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0",
            "claude-haiku-4-5-20251001",
            True,
        ),
        ("claude-opus-4-5@20251101", "claude-opus-4-5-20251101", False),
        ("anthropic/claude-opus-4.5", "claude-opus-4-5", False),
        ("openrouter/anthropic/claude-sonnet-4.5", "claude-sonnet-4-5", False),
        ("openrouter/openai/gpt-5.4", "gpt-5.4", False),
        ("claude-sonnet-4-5[1m]", "claude-sonnet-4-5", False),
        ("claude-opus-4-5-thinking", "claude-opus-4-5", False),
        ("openrouter/anthropic/claude-sonnet-4.5:free", "claude-sonnet-4-5:free", False),
        ("in-house", "in-house", False),
    ],
)
def test_a_model_has_one_plain_name(model: str, plain: str, is_regional: bool) -> None:
    assert model_name(model) == ModelName(plain, is_regional)


@pytest.mark.parametrize(
    ("model", "usd"),
    [
        ("global.anthropic.claude-opus-4-8", "5"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "1.1"),
        ("us.anthropic.claude-opus-4-20250514-v1:0", "15"),
        ("anthropic/claude-opus-4.5", "5"),
        ("openrouter/openai/gpt-5.4", "2.5"),
        ("gpt-5.5-2026-04-01", "5"),
        ("claude-opus-4-9", None),
        ("gpt-5.5-foo", None),
        ("openrouter/anthropic/claude-sonnet-4.5:free", None),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123", None),
    ],
)
def test_a_model_is_priced_only_where_it_is_certain(model: str, usd: str | None) -> None:
    found = cost(model, 1_000, completion=0)
    assert (found and found * 1000) == (None if usd is None else Decimal(usd))


def test_a_price_of_ones_own_for_a_profile_is_final() -> None:
    model = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
    price = PriceOverride(prompt_per_1k=Decimal(1), completion_per_1k=Decimal(1))
    view = snapshot(make_usage("a", model, 1000, 0, timestamp=0), config=BudgetConfig(prices={model: price}))
    assert view.cost.total_usd == 1


def test_a_factor_can_be_set() -> None:
    call = make_usage("a", "gpt-5.5", 1000, 0, timestamp=0, service_tier="scale")
    before = snapshot(call)
    assert (before.cost.total_usd, before.cost.unpriced_tokens) == (None, 1000)
    assert before.models[0].unpriced == "gpt-5.5 (service_tier.scale)"
    assert price_advice(before.models) == (
        'Set a factor in config.toml: [token_budget.price_factors] with "service_tier.scale" = NUMBER.',
    )
    config = BudgetConfig(price_factors={"service_tier.scale": Decimal(3)})
    assert snapshot(call, config=config).cost.total_usd == Decimal("0.015")


@pytest.mark.parametrize("value", [-1, "fast", True, 1001])
def test_a_factor_is_a_number(value: object) -> None:
    with pytest.raises(ConfigError, match=r"price_factors.speed.fast = .*must be a number from 0 to 1000"):
        BudgetConfig(price_factors={"speed.fast": value})  # type: ignore[dict-item]  # on purpose


def test_only_the_calls_of_an_unknown_tier_are_unpriced() -> None:
    plain = make_usage("a", "gpt-5.5", 1000, 0, timestamp=0)
    odd = make_usage("a", "gpt-5.5", 50, 0, timestamp=0, service_tier="scale")
    view = snapshot(plain, odd)
    assert (view.cost.total_usd, view.cost.unpriced_tokens) == (Decimal("0.005"), 50)


def test_a_model_newer_than_the_table_is_named_with_what_to_do() -> None:
    view = snapshot(make_usage("a", "claude-opus-9", 10, 0, timestamp=0))
    assert price_advice(view.models) == (
        'Set a price in config.toml: [token_budget.prices."claude-opus-9"] with prompt_per_1k and completion_per_1k.',
    )


@pytest.mark.parametrize("fields", [{"speed": "very fast"}, {"service_tier": ""}, {"web_search_requests": -1}])
def test_a_wrong_charge_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(RecordError, match=next(iter(fields))):
        make_usage("a", "m", 1, 1, timestamp=0, **fields)  # type: ignore[arg-type]  # on purpose


def claude_call(*usages: dict[str, object]) -> Usage:
    session = Session()
    for usage in usages:
        session.said("m1", usage)
    reader = claude_session.Session()
    reader.feed(session.data)
    (call,) = reader.take()
    return call


def test_claude_codes_log_names_speed_region_and_searches() -> None:
    first = tokens(10, 1, speed="fast", inference_geo="us", server_tool_use={"web_search_requests": 0})
    last = tokens(10, 9, speed="fast", inference_geo="us", server_tool_use={"web_search_requests": 7})
    call = claude_call(first, last)
    charges = (call.service_tier, call.speed, call.inference_geo, call.web_search_requests)
    assert charges == (None, "fast", "us", 7)


def test_claude_codes_standard_calls_stay_as_they_were() -> None:
    call = claude_call(tokens(10, 1, speed="standard", inference_geo="", server_tool_use={"web_search_requests": 0}))
    assert (call.service_tier, call.speed, call.inference_geo, call.web_search_requests) == (None,) * 4


def test_codex_settings_hold_for_what_follows() -> None:
    log = Log().meta()
    for tier, counts in (("priority", (10, 0, 1, 0)), ("default", (10, 0, 1, 0))):
        settings = {"type": "thread_settings_applied", "thread_settings": {"service_tier": tier}}
        log.line("event_msg", settings).call(*counts)
    rollout = Rollout(log.thread)
    rollout.feed(log.data)
    assert [call.service_tier for call in rollout.take()] == ["priority", None]


def test_a_later_copy_adds_only_the_searches_that_are_new() -> None:
    def call(searches: int) -> Usage:
        return make_usage("a", "m", 5, 5, timestamp=0, id="x", speed="fast", web_search_requests=searches)

    rest = more_than(call(7), [call(3)])
    assert rest is not None
    assert (rest.total_tokens, rest.speed, rest.web_search_requests) == (0, "fast", 4)
    assert more_than(call(7), [call(7)]) is None


def test_answers_of_model_libraries_name_their_tier() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    answer = {"id": "c1", "object": "chat.completion", "model": "gpt-5.5", "service_tier": "priority", "usage": usage}
    assert usage_of(answer).fields["service_tier"] == "priority"
    counts = {"input_tokens": 10, "output_tokens": 5, "service_tier": "batch", "speed": "fast", "inference_geo": "us"}
    more = {"server_tool_use": {"web_search_requests": 2}}
    message = {"id": "m1", "type": "message", "model": "claude-opus-4-8", "usage": {**counts, **more}}
    fields = usage_of(message).fields
    assert [fields[key] for key in ("service_tier", "speed", "inference_geo")] == ["batch", "fast", "us"]
    assert fields["web_search_requests"] == 2


def test_prices_of_an_unknown_table_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("budgauge.pricing.price_book.table_version", lambda: "unknown")
    PriceBook({}, folder=tmp_path).learn(lookup(["gpt-4"]))
    assert list(tmp_path.iterdir()) == []


def test_a_line_without_charges_is_written_as_before() -> None:
    from budgauge.accounting.codec import encode

    assert set(json.loads(encode(make_usage("a", "m", 1, 1, timestamp=0)))) == {
        *("agent_id", "model", "prompt_tokens", "completion_tokens", "total_tokens", "timestamp"),
    }


def test_status_names_what_has_no_price_and_what_to_do() -> None:
    from budgauge.cli.status import _cost_lines

    odd = make_usage("a", "gpt-5.5", 50, 0, timestamp=0, service_tier="scale")
    lines = _cost_lines(snapshot(odd, make_usage("a", "claude-opus-9", 10, 0, timestamp=0)))
    assert lines[1].strip() == "60 tokens have no known price: gpt-5.5 (service_tier.scale), claude-opus-9"
    assert [line.split(":")[0].strip() for line in lines[2:]] == [
        "Set a price in config.toml",
        "Set a factor in config.toml",
    ]
