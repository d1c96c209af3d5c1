"""Prices of a model: small frozen values, applied exactly."""

from collections.abc import Iterator
from decimal import Context, Decimal

import msgspec

from budgauge.accounting.accumulator import FOREVER, Extent
from budgauge.accounting.counters import Bucket, Sums
from budgauge.config import PriceOverride

EXACT = Context(prec=80)
"""Enough digits that no product or sum of token counts and prices is ever rounded."""

_DAY_SECONDS = 86_400


class TokenPrices(msgspec.Struct, frozen=True):
    """US dollars per million tokens."""

    input: Decimal
    cache_read: Decimal
    cache_write: Decimal
    cache_write_1h: Decimal
    output: Decimal


class Tier(msgspec.Struct, frozen=True):
    """Rates of a call whose prompt is larger than `above` tokens."""

    above: int
    rates: TokenPrices


class Period(msgspec.Struct, frozen=True):
    """A time in which tiers are in force. The last period in force wins."""

    tiers: tuple[Tier, ...]
    """By rising `above`; the first is for every prompt."""
    start: int | None = None
    """From this unix second on; None means always."""
    daily: tuple[int, int] | None = None
    """From this second of the UTC day to that one; may pass midnight."""

    def active(self, timestamp: float) -> bool:
        """Return True if the period is in force at this unix second."""
        if self.start is not None and timestamp < self.start:
            return False
        if self.daily is None:
            return True
        begin, end = self.daily
        second = timestamp % _DAY_SECONDS
        return begin <= second < end if begin < end else not end <= second < begin

    def borders(self, timestamp: float) -> Iterator[float]:
        """Yield moments of beginning or end, among them the nearest before and after this one."""
        if self.start is not None:
            yield self.start
        if self.daily is not None:
            day = timestamp - timestamp % _DAY_SECONDS
            yield from (day + shift + second for shift in (-_DAY_SECONDS, 0, _DAY_SECONDS) for second in self.daily)


class ModelPrice(msgspec.Struct, frozen=True):
    """All prices of one model."""

    periods: tuple[Period, ...]

    @property
    def plain(self) -> bool:
        """True for a single price, whatever the date and the prompt."""
        return len(self.periods) == 1 and len(self.periods[0].tiers) == 1

    @property
    def shape(self) -> str:
        """The grouping of calls by tiers and periods, whatever they cost. Another shape needs a new fold."""
        return repr([(p.start, p.daily, [tier.above for tier in p.tiers]) for p in self.periods])

    def extent(self, prompt_tokens: int, timestamp: float) -> Extent:
        """Return the period and tier of a call, and their borders."""
        index = len(self.periods) - 1
        while index and not self.periods[index].active(timestamp):
            index -= 1
        tiers = self.periods[index].tiers
        tier = len(tiers) - 1
        while tier and prompt_tokens <= tiers[tier].above:
            tier -= 1
        borders = [border for period in self.periods for border in period.borders(timestamp)]
        return Extent(
            (index, tier),
            begin=max((border for border in borders if border <= timestamp), default=0),
            end=min((border for border in borders if border > timestamp), default=FOREVER),
            above=tiers[tier].above if tier else -1,
            upto=tiers[tier + 1].above if tier + 1 < len(tiers) else FOREVER,
        )

    def cost(self, bucket: Bucket, sums: Sums) -> Decimal:
        """Return the US dollars of one bucket's counts, unrounded."""
        rates = self.periods[bucket[0]].tiers[bucket[1]].rates
        fresh = sums.prompt - sums.cached - sums.cache_write
        total = Decimal(0)
        for tokens, rate in (
            (fresh, rates.input),
            (sums.cached, rates.cache_read),
            (sums.cache_write - sums.cache_write_1h, rates.cache_write),
            (sums.cache_write_1h, rates.cache_write_1h),
            (sums.completion, rates.output),
        ):
            if tokens:
                total = EXACT.add(total, EXACT.multiply(Decimal(tokens), rate))
        return total.scaleb(-6, EXACT)


def overridden(price: PriceOverride) -> ModelPrice:
    """Return the price set by a config."""
    per_million = Decimal(1000)
    write = price.prompt_per_1k if price.cache_write_per_1k is None else price.cache_write_per_1k
    rates = TokenPrices(
        input=price.prompt_per_1k * per_million,
        cache_read=(price.prompt_per_1k if price.cached_per_1k is None else price.cached_per_1k) * per_million,
        cache_write=write * per_million,
        cache_write_1h=(write if price.cache_write_1h_per_1k is None else price.cache_write_1h_per_1k) * per_million,
        output=price.completion_per_1k * per_million,
    )
    return ModelPrice((Period((Tier(0, rates),)),))
