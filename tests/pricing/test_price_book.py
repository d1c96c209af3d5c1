"""Prices: exact, dated, tiered, overridable; unknown is unknown."""

from __future__ import annotations

import errno
import itertools
import os
import random
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import genai_prices
import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgauge.accounting.counters import Sums
from budgauge.accounting.fold import Totals
from budgauge.config import PriceOverride
from budgauge.errors import PriceError
from budgauge.files.cache import cache_folder
from budgauge.pricing.model_price import ModelPrice, Period, Tier, TokenPrices, overridden
from budgauge.pricing.price_book import NAMING, PriceBook, lookup, lookup_in_child, table_version
from usage import usage


def price_of(model: str) -> ModelPrice:
    price = lookup([model])[model]
    assert price is not None
    return price


def cost(model: str, timestamp: float = 1_767_225_600, **sums: int) -> Decimal:
    price = price_of(model)
    return price.cost(price.extent(sums.get("prompt", 0), timestamp).bucket, Sums(**sums))


def test_gpt_4_is_3_and_6_cents_per_1000() -> None:
    assert cost("gpt-4", prompt=1000) == Decimal("0.03")
    assert cost("gpt-4", completion=1000) == Decimal("0.06")
    assert cost("gpt-4", prompt=1500, completion=800) == Decimal("0.093")


def test_claude_codes_own_figure() -> None:
    """23 fresh, 2,000 read, 200 + 1,000 written (5 minutes + 1 hour), 303 out."""
    whole = cost("claude-opus-4-8", prompt=3223, cached=2000, cache_write=1200, cache_write_1h=1000, completion=303)
    assert whole == Decimal("0.01994")


MODELS = [
    "gpt-4",
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-5",
    "gpt-5.1-codex",
    "gpt-5.4",
    "gpt-5.5",
    "o3",
    "o4-mini",
    "claude-opus-4-8",
    "claude-opus-4-6",
    "claude-sonnet-4-5",
    "claude-sonnet-4-6",
    "claude-3-5-haiku-latest",
    "gemini-2.5-pro",
    "gemini-2.5-flash",
    "gemini-1.5-pro",
    "gemini-3-pro-preview",
    "deepseek-chat",
    "deepseek-reasoner",
    "grok-4",
    "mistral-large-latest",
]
CALLS = [  # prompt, cached, written, written for an hour, completion
    (1000, 0, 0, 0, 500),
    (200_000, 150_000, 0, 0, 1),
    (200_001, 100_000, 50_000, 0, 7777),
    (272_001, 0, 272_001, 0, 3),
    (1_000_000, 999_999, 1, 1, 0),
    (128_000, 3, 1200, 1000, 303),
    (0, 0, 0, 0, 1),
]
MOMENTS = [
    datetime(2024, 1, 1, 12, tzinfo=timezone.utc),
    datetime(2025, 6, 10, 0, 29, 59, tzinfo=timezone.utc),
    datetime(2025, 6, 10, 0, 30, tzinfo=timezone.utc),
    datetime(2025, 11, 5, 16, 29, 59, tzinfo=timezone.utc),
    datetime(2026, 3, 13, 16, 30, tzinfo=timezone.utc),
    datetime(2027, 1, 1, 23, 59, tzinfo=timezone.utc),
]


@pytest.mark.parametrize("model", MODELS)
def test_what_a_call_costs_is_what_the_table_itself_says(model: str) -> None:
    price = price_of(model)
    for (prompt, cached, write, hour, out), moment in itertools.product(CALLS, MOMENTS):
        theirs = genai_prices.calc_price(
            genai_prices.Usage(
                input_tokens=prompt,
                cache_read_tokens=cached,
                cache_write_tokens=write,
                cache_write_1h_tokens=hour,
                output_tokens=out,
            ),
            model,
            genai_request_timestamp=moment,
        ).total_price
        sums = Sums(1, prompt, out, prompt + out, cached, write, hour)
        assert price.cost(price.extent(prompt, moment.timestamp()).bucket, sums) == theirs, (prompt, moment)


CERTAIN = [
    *("claude-opus-4-8-20260301", "claude-opus-4-8@20260301", "claude-sonnet-4-20250514", "claude-3-5-haiku-20241022"),
    *("claude-opus-4-8-latest", "us.anthropic.claude-opus-4-5-20251101-v1:0", "claude-opus-4-8@default", "o3"),
    *("gemini-2.5-pro-preview-05-06", "gemini-1.5-pro-002", "gemini-2.0-flash-exp", "deepseek-r1-0528", "GPT-4"),
    *("gpt-4o-audio-preview-2024-12-17", "gpt-5-nano-2025-08-07", "gpt-5.6-sol-2026-06-01", "claude-2.1"),
    *("magistral-small-2506", "openrouter/anthropic/claude-opus-4.8", "gpt-5.2-codex"),
]
UNCERTAIN = [
    *("claude-opus-4-8-foo", "claude-opus-4-80", "claude-opus-4-8-mini", "claude-opus-4-8-20260301-foo"),
    *("us.anthropic.claude-opus-4-8-foo-v1:0", "openrouter/anthropic/claude-opus-4.8-foo", "my-gemini-1.5-pro"),
    *("gemini-2.5-pro-max", "gemini-3-pro-preview-foo", "gpt-5-nano-foo", "deepseek-chat-plus", "deepseek-r1:free"),
    *(
        "somewhere/gemini-1.5-pro",
        "not-claude-v2",
        "gpt-4.5-preview-mini",
        "gpt-5.6-sol-pro",
        "claude-haiku-5.55",
        "claude-2x",
    ),
]


@pytest.mark.parametrize("model", CERTAIN)
def test_a_release_of_a_known_model_has_its_price(model: str) -> None:
    assert lookup([model])[model] is not None


@pytest.mark.parametrize("model", UNCERTAIN)
def test_a_name_that_only_begins_like_a_known_model_has_no_price(model: str) -> None:
    assert lookup([model])[model] is None


def test_the_models_compared_have_tiers_and_periods() -> None:
    prices = [price_of(model) for model in MODELS]
    assert sum(any(len(period.tiers) > 1 for period in price.periods) for price in prices) >= 3
    assert sum(len(price.periods) > 1 for price in prices) >= 3
    assert any(period.daily for price in prices for period in price.periods)


def test_a_sum_of_calls_costs_what_the_calls_cost() -> None:
    """Summing by bucket loses nothing."""
    for model in ("gemini-2.5-pro", "deepseek-chat", "claude-opus-4-6"):
        price = price_of(model)
        totals = Totals(lambda _model, price=price: price)  # type: ignore[misc]  # bound at once
        singly = Decimal(0)
        for (prompt, cached, write, _, out), moment in itertools.product(CALLS, MOMENTS):
            call = usage(
                prompt=prompt,
                completion=out,
                cached_tokens=cached,
                cache_write_tokens=write,
                timestamp=moment.timestamp(),
            )
            totals.add([call])
            sums = Sums(1, prompt, out, prompt + out, cached, write)
            singly += price.cost(price.extent(prompt, moment.timestamp()).bucket, sums)
        assert sum(price.cost(key[2], sums) for key, sums in totals.at(0).groups.items()) == singly


def rates(value: int) -> TokenPrices:
    return TokenPrices(*[Decimal(value)] * 5)


def test_buckets_change_exactly_at_their_bounds() -> None:
    first = Period((Tier(0, rates(1)), Tier(200_000, rates(2)), Tier(500_000, rates(3))))
    later = Period((Tier(0, rates(4)),), start=1000)
    price = ModelPrice((first, later))
    assert [price.extent(p, 999.9).bucket for p in (0, 200_000, 200_001, 500_000, 500_001)] == [
        (0, 0),
        (0, 0),
        (0, 1),
        (0, 1),
        (0, 2),
    ]
    assert price.extent(500_001, 1000).bucket == (1, 0)
    assert price.cost((0, 2), Sums(prompt=2_000_000)) == 6


@pytest.mark.parametrize(
    ("daily", "inside", "outside"),
    [((1800, 59400), [1800, 59399], [0, 1799, 59400, 86399]), ((59400, 1800), [59400, 86399, 0, 1799], [1800, 59399])],
)
def test_prices_by_time_of_day_may_pass_midnight(daily: tuple[int, int], inside: list[int], outside: list[int]) -> None:
    period = Period((Tier(0, rates(1)),), daily=daily)
    day = 86_400 * 20_000
    assert all(period.active(day + second) for second in inside)
    assert not any(period.active(day + second) for second in outside)


@given(st.integers(0, 2**62), st.decimals(0, 10**6, places=18))
def test_large_sums_are_priced_without_rounding(tokens: int, per_1k: Decimal) -> None:
    price = overridden(PriceOverride(prompt_per_1k=per_1k, completion_per_1k=Decimal(0)))
    exact = price.cost((0, 0), Sums(prompt=tokens))
    numerator, denominator = exact.as_integer_ratio()
    assert numerator * 1000 * 10**18 == int(per_1k.scaleb(18)) * tokens * denominator


OVERRIDE = PriceOverride(prompt_per_1k=Decimal("0.5"), completion_per_1k=Decimal(2))


def test_an_override_wins_over_the_table() -> None:
    book = PriceBook({"gpt-4": OVERRIDE})
    assert book.missing(["gpt-4"]) == set()
    price = book.price("gpt-4")
    assert price is not None
    assert price.cost((0, 0), Sums(prompt=2000, completion=500)) == 2


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({}, "4.0"),
        ({"cached_per_1k": "0"}, "3.5"),
        ({"cache_write_per_1k": "1"}, "5.5"),
        ({"cache_write_per_1k": "1", "cache_write_1h_per_1k": "3"}, "7.5"),
        ({"cache_write_1h_per_1k": "3"}, "6.5"),
    ],
)
def test_a_part_without_a_price_costs_what_contains_it(parts: dict[str, str], expected: str) -> None:
    given = {key: Decimal(value) for key, value in parts.items()}
    price = overridden(
        PriceOverride(prompt_per_1k=Decimal("0.5"), completion_per_1k=Decimal(0), **given),
    )
    sums = Sums(prompt=8000, cached=1000, cache_write=3000, cache_write_1h=1000)
    assert price.cost((0, 0), sums) == Decimal(expected)


def test_an_unknown_price_is_none_and_is_not_looked_up_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    book = PriceBook({})
    assert book.missing(["no-such-model", "gpt-4"]) == {"no-such-model", "gpt-4"}
    book.resolve(["no-such-model", "gpt-4"])
    assert book.price("no-such-model") is None
    assert book.pricing_of("no-such-model") is None
    assert book.missing(["no-such-model", "gpt-4"]) == set()


def test_only_prices_that_vary_need_buckets() -> None:
    book = PriceBook({})
    assert book.resolve(["gpt-4"]) is False
    assert book.resolve(["gemini-2.5-pro"]) is True
    assert book.pricing_of("gpt-4") is None
    pricing = book.pricing_of("gemini-2.5-pro")
    assert pricing is not None
    assert pricing.extent(200_001, 0).bucket == (0, 1)


def test_what_was_resolved_is_kept_for_the_next_start(tmp_path: Path) -> None:
    models = ["gpt-4", "gemini-2.5-pro", "deepseek-chat", "no-such-model"]
    first = PriceBook({}, folder=tmp_path)
    first.resolve(models)
    again = PriceBook({}, folder=tmp_path)
    assert again.missing(models) == set()
    assert [again.price(model) for model in models] == [first.price(model) for model in models]
    (path,) = tmp_path.iterdir()
    assert path.name == f"prices-{NAMING}-{table_version()}.json"


def test_two_programs_keep_what_both_resolved(tmp_path: Path) -> None:
    one, two = PriceBook({}, folder=tmp_path), PriceBook({}, folder=tmp_path)
    one.resolve(["gpt-4"])
    two.resolve(["gpt-4o"])
    assert PriceBook({}, folder=tmp_path).missing(["gpt-4", "gpt-4o"]) == set()


def test_a_damaged_cache_only_makes_it_slower(tmp_path: Path) -> None:
    PriceBook({}, folder=tmp_path).resolve(["gpt-4", "no-such-model"])
    (path,) = tmp_path.iterdir()
    sound = path.read_bytes()
    chance = random.Random(4)
    flipped = []
    for _ in range(200):
        data = bytearray(sound)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        flipped.append(bytes(data))
    for damaged in (*(sound[:end] for end in range(len(sound))), *flipped, b"{}", b"[" * 100_000):
        path.write_bytes(damaged)
        book = PriceBook({}, folder=tmp_path)
        assert book.missing(["gpt-4", "no-such-model"]) == {"gpt-4", "no-such-model"}
        assert book.price("gpt-4") is None
    book.resolve(["gpt-4"])
    assert PriceBook({}, folder=tmp_path).price("gpt-4") == price_of("gpt-4")


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    book = PriceBook({}, folder=tmp_path / "file")
    book.resolve(["gpt-4"])
    assert book.price("gpt-4") == price_of("gpt-4")
    assert os.listdir(tmp_path) == ["file"]


def test_the_cache_is_in_the_users_cache_folder(own_place: Path) -> None:
    assert own_place in cache_folder().parents


def test_the_tables_version_is_the_installed_one() -> None:
    assert table_version() == genai_prices.__version__


def test_a_child_process_finds_the_same() -> None:
    models = {"gpt-4", "gemini-2.5-pro", "no-such-model"}
    assert lookup_in_child(models) == lookup(models)


def test_a_child_that_fails_is_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(PriceError, match="the price table could not be read"):
        lookup_in_child({"gpt-4"})


def test_nothing_asked_imports_nothing() -> None:
    assert lookup([]) == {}


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["FIFO", "folder"])
def test_a_cache_that_is_no_file_is_done_without(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / f"prices-{NAMING}-{table_version()}.json")
    book = PriceBook({}, folder=tmp_path)
    book.resolve(["gpt-4"])
    assert book.price("gpt-4") == price_of("gpt-4")


@pytest.mark.parametrize("call", ["replace", "fdopen"])
def test_a_cache_on_a_full_disk_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    PriceBook({}, folder=tmp_path).resolve(["gpt-4"])
    assert os.listdir(tmp_path) == []
