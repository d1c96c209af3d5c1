"""Prices from genai-prices, as our own small values. Only this module imports the large table."""

from __future__ import annotations

import sys
from datetime import date, datetime, time, timezone
from decimal import Decimal
from itertools import chain
from typing import Union

import msgspec
from genai_prices import data_snapshot
from genai_prices.types import ConditionalPrice, ModelInfo, StartDateConstraint, TieredPrices, TimeOfDateConstraint
from genai_prices.types import ModelPrice as TablePrice

from budgauge.config.model_name import model_name, undated
from budgauge.pricing.certain import is_certain
from budgauge.pricing.model_price import ModelPrice, Period, Tier, TokenPrices

_Price = Union[Decimal, TieredPrices]


def model_price(model: str) -> ModelPrice | None:
    """Return a model's prices over all dates and prompt lengths; None if the table has no price per token."""
    plain = model_name(model).plain
    if plain.startswith("claude-") and ":" in plain:
        # A router's variant, such as `:free`, has a price of its own.
        return None
    found = (_found(name) for name in dict.fromkeys((model, plain, undated(plain))))
    info = next((info for info in found if info is not None), None)
    if info is None:
        return None
    prices = info.prices if isinstance(info.prices, list) else [ConditionalPrice(prices=info.prices)]
    periods = [_period(price) for price in prices]
    return None if None in periods or not periods else ModelPrice(tuple(p for p in periods if p is not None))


def _found(name: str) -> ModelInfo | None:
    try:
        info = data_snapshot.get_snapshot().find_provider_model(name, None, None, None)[1]
    except LookupError:
        return None
    return info if is_certain(info, name) else None


def _period(conditional: ConditionalPrice) -> Period | None:
    tiers = _tiers(conditional.prices)
    constraint = conditional.constraint
    if tiers is None:
        return None
    if isinstance(constraint, StartDateConstraint):
        start = datetime.combine(constraint.start_date, datetime.min.time(), timezone.utc)
        return Period(tiers, start=int(start.timestamp()))
    if isinstance(constraint, TimeOfDateConstraint):
        return Period(tiers, daily=(_utc_second(constraint.start_time), _utc_second(constraint.end_time)))
    return Period(tiers)


def _utc_second(moment: time) -> int:
    """Return the second of the UTC day; a time without a zone is UTC."""
    zoned = datetime.combine(date(1970, 1, 2), moment.replace(tzinfo=moment.tzinfo or timezone.utc))
    utc = zoned.astimezone(timezone.utc)
    return utc.hour * 3600 + utc.minute * 60 + utc.second


def _tiers(prices: TablePrice) -> tuple[Tier, ...] | None:
    """Return rates by prompt length. A part without a price costs as much as the part around it."""
    if prices.input_mtok is None or prices.output_mtok is None:
        return None
    read = prices.input_mtok if prices.cache_read_mtok is None else prices.cache_read_mtok
    write = prices.input_mtok if prices.cache_write_mtok is None else prices.cache_write_mtok
    hour = write if prices.cache_write_1h_mtok is None else prices.cache_write_1h_mtok
    parts: tuple[_Price, ...] = (prices.input_mtok, read, write, hour, prices.output_mtok)
    tiered = [part.tiers for part in parts if isinstance(part, TieredPrices)]
    starts = sorted({0, *(tier.start for tier in chain.from_iterable(tiered))})
    return tuple(Tier(start, TokenPrices(*(_at(part, start) for part in parts))) for start in starts)


def _at(price: _Price, above: int) -> Decimal:
    """Return the price of a call whose prompt is just larger than `above` tokens."""
    if isinstance(price, Decimal):
        return price
    reached = [tier.price for tier in price.tiers if tier.start <= above] if above else []
    return reached[-1] if reached else price.base


if __name__ == "__main__":
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=list[str])
    sys.stdout.buffer.write(msgspec.json.encode({model: model_price(model) for model in asked}))
