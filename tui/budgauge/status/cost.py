"""The cost of calls, and the sums of models."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from functools import reduce
from typing import NamedTuple

from budgauge.accounting.counters import GroupKey, Groups, Sums
from budgauge.config import BudgetConfig
from budgauge.pricing.price_book import PriceBook
from budgauge.status.row import Cost, ModelRow

_EXACT = Context(prec=80)
Part = tuple[GroupKey, Sums]
"""The counted calls of an agent to a model at one price."""


class Spent(NamedTuple):
    """One group's part in a model's sums."""

    used: int
    prompt: int
    completion: int
    cached: int
    cost: Decimal | None
    factors: tuple[str, ...]


def spent_on(key: GroupKey, sums: Sums, config: BudgetConfig, prices: PriceBook) -> Spent:
    """Return one group's part in a model's sums."""
    cost = prices.cost(key, sums)
    unknown = cost is None and prices.price(key[1]) is not None
    factors = prices.unknown_factors(key, sums) if unknown else ()
    return Spent(config.counted(sums.total, sums.cached), sums.prompt, sums.completion, sums.cached, cost, factors)


class ModelSum:
    """The sums of a model's groups."""

    def __init__(self) -> None:
        self._tokens = [0] * 4
        self._cost, self._priced = Decimal(0), 0
        self._unpriced, self._unpriced_tokens = 0, 0
        self._factors: Counter[str] = Counter()

    def add(self, spent: Spent, sign: int) -> None:
        """Add a group's part, or with -1 subtract."""
        self._tokens = [whole + sign * part for whole, part in zip(self._tokens, spent[:4], strict=True)]
        if spent.cost is None:
            self._unpriced += sign
            self._unpriced_tokens += sign * spent.used
            for factor in spent.factors:
                self._factors[factor] += sign
        else:
            self._priced += sign
            self._cost = _EXACT.add(self._cost, _EXACT.multiply(spent.cost, sign))

    def row(self, model: str) -> ModelRow:
        """Return the model's row."""
        used, prompt, completion, cached = self._tokens
        return ModelRow(
            model=model,
            used=used,
            prompt_tokens=prompt,
            completion_tokens=completion,
            cached_tokens=cached,
            cost_usd=None if self._unpriced and not self._priced else self._cost,
            unpriced_tokens=self._unpriced_tokens,
            unknown_factors=tuple(sorted(+self._factors)),
        )


def model_rows(groups: Groups, config: BudgetConfig, prices: PriceBook) -> tuple[ModelRow, ...]:
    """Return a row for each model, most used first."""
    models: defaultdict[str, ModelSum] = defaultdict(ModelSum)
    for key, sums in groups.items():
        models[key[1]].add(spent_on(key, sums, config, prices), 1)
    return most_used(model.row(name) for name, model in models.items())


def most_used(rows: Iterable[ModelRow]) -> tuple[ModelRow, ...]:
    """Return the rows, most used first."""
    return tuple(sorted(rows, key=lambda row: (-row.used, row.model)))


def cost_of(parts: Iterable[Part], prices: PriceBook) -> Decimal | None:
    """Return the cost of all priced groups; None where something was used and nothing is priced."""
    return cost_sum([prices.cost(key, sums) for key, sums in parts])


def cost_sum(costs: Sequence[Decimal | None]) -> Decimal | None:
    """Return the sum of all known costs; None where there are unknown ones alone."""
    known = [cost for cost in costs if cost is not None]
    return reduce(_EXACT.add, known, Decimal(0)) if known or not costs else None


def total_cost(models: Sequence[ModelRow], config: BudgetConfig, used: int) -> Cost:
    """Return the cost of all models; `used` is the number of counted tokens."""
    total = cost_sum([row.cost_usd for row in models])
    unpriced = sum(row.unpriced_tokens for row in models)
    buffer = Decimal(str(config.untracked_buffer))
    whole = None
    if total is not None and config.total_budget and used > unpriced:
        whole = _EXACT.multiply(total, Decimal(config.total_budget)) / Decimal(used - unpriced)
    return Cost(
        total_usd=total,
        upper_usd=None if total is None else _EXACT.multiply(total, 1 + buffer / 100),
        budget_usd=whole,
        unpriced_tokens=unpriced,
    )


def price_advice(models: Iterable[ModelRow]) -> tuple[str, ...]:
    """Return advice on missing prices, a sentence for each kind."""
    rows = [row for row in models if row.unpriced]
    plain = [row.model for row in rows if not row.unknown_factors]
    factors = sorted({factor for row in rows for factor in row.unknown_factors})
    advice = []
    if plain:
        table = f'[token_budget.prices."{plain[0]}"]' if plain[0].isprintable() else '[token_budget.prices."MODEL"]'
        advice.append(f"Set a price in config.toml: {table} with prompt_per_1k and completion_per_1k.")
    if factors:
        advice.append(f'Set a factor in config.toml: [token_budget.price_factors] with "{factors[0]}" = NUMBER.')
    return tuple(advice)
