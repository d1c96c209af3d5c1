"""Prices of models: set by the config, else looked up in the price table once and kept.

Prices come from genai-prices, overridden by `[token_budget.prices]`. Importing that table costs
more than everything `budgauge status` does, so what it says of a model is kept in the cache folder
with the table's version. An unknown price stays unknown: it is never 0.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from decimal import Decimal, localcontext
from pathlib import Path

import msgspec

from budgauge.accounting.counters import GroupKey, Sums
from budgauge.config import PriceOverride
from budgauge.config.factors import Factors
from budgauge.config.name import same_name
from budgauge.errors import PriceError
from budgauge.files.cache import CacheFile
from budgauge.pricing.model_price import EXACT, ModelPrice, overridden

Prices = dict[str, ModelPrice | None]
"""model → its price; None where the price table has none."""
_decoder = msgspec.json.Decoder(Prices)


class PriceBook:
    """Prices by model: the config's, then prices resolved before and kept in `folder`.

    Looking up never imports the price table; `resolve` does, once for what is `missing`.
    """

    def __init__(
        self,
        overrides: Mapping[str, PriceOverride],
        *,
        folder: Path | None = None,
        factors: Mapping[str, Decimal] | None = None,
    ) -> None:
        version = table_version()
        self._factors = Factors(factors)
        self._overrides = {same_name(model): overridden(price) for model, price in overrides.items()}
        # Prices of an unknown version cannot be told from the next version's: they are not kept.
        self._file: CacheFile[Prices] | None = None
        if folder is not None and version != UNKNOWN_VERSION:
            self._file = CacheFile(folder / f"prices-{NAMING}-{version}.json", _decoder)
        self._resolved = self._kept()
        self.lessons = 0
        """How often something was looked up: between two times, costs stay as they are."""

    def under(self, overrides: Mapping[str, PriceOverride], factors: Mapping[str, Decimal] | None) -> PriceBook:
        """Return a book for another config, with everything looked up for this one."""
        book = PriceBook(overrides, factors=factors)
        book._file, book._resolved = self._file, dict(self._resolved)
        return book

    def price(self, model: str) -> ModelPrice | None:
        """Return a model's price; None if unknown or not resolved yet."""
        return self._overrides.get(same_name(model)) or self._resolved.get(model)

    def cost(self, key: GroupKey, sums: Sums) -> Decimal | None:
        """Return the US dollars for one group of calls, unrounded; None if a price or factor is unknown."""
        _, model, bucket, surcharges = key
        price = self.price(model)
        if price is None:
            return None
        cost = price.cost(bucket, sums)
        if not surcharges and not sums.web_searches and "anthropic." not in model:
            return cost
        listed = same_name(model) not in self._overrides
        with localcontext(EXACT):
            return self._factors.apply(cost, model, surcharges, sums.web_searches, profile=listed)

    def unknown_factors(self, key: GroupKey, sums: Sums) -> tuple[str, ...]:
        """Return the unknown keys of `[token_budget.price_factors]` on which a group's price depends."""
        _, model, _, surcharges = key
        return self._factors.unknown(
            model, surcharges, sums.web_searches, profile=same_name(model) not in self._overrides
        )

    def origin(self, model: str) -> str:
        """Return the origin of a model's price in words; empty without a price."""
        if same_name(model) in self._overrides:
            return "[token_budget.prices]"
        return f"genai-prices {table_version()}" if self._resolved.get(model) else ""

    def pricing_of(self, model: str) -> ModelPrice | None:
        """Return the price by which this model's calls are grouped; None if all cost the same, as far as known."""
        price = self.price(model)
        return None if price is None or price.plain else price

    def missing(self, models: Iterable[str]) -> set[str]:
        """Return the models without a look-up so far."""
        return {model for model in models if same_name(model) not in self._overrides and model not in self._resolved}

    def resolve(self, models: Iterable[str]) -> bool:
        """Look up missing prices in this process; True if the fold needs other buckets."""
        return self.learn(lookup(self.missing(models)))

    def learn(self, found: Prices, *, keep: bool = True) -> bool:
        """Take over looked-up prices, with `keep` also in the cache; True if the fold needs other buckets."""
        self._resolved.update(found)
        self.lessons += bool(found)
        if keep and found and self._file is not None:
            self._file.write({**self._kept(), **self._resolved})
        return any(price is not None and not price.plain for price in found.values())

    def _kept(self) -> Prices:
        return (self._file.read() if self._file else None) or {}


NAMING = 3
"""The version of reading models' names. Prices found under another are not used."""
UNKNOWN_VERSION = "unknown"


def table_version() -> str:
    """Return the installed price table's version, without importing the table."""
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            if name.startswith("genai_prices-") and name.endswith(".dist-info"):
                return name[len("genai_prices-") : -len(".dist-info")]
    return UNKNOWN_VERSION


def lookup(models: Iterable[str]) -> Prices:
    """Look up models in the price table, which is imported; None for a model without a known price."""
    wanted = list(models)
    if not wanted:
        return {}
    from budgauge.pricing.price_table import model_price

    return {model: model_price(model) for model in wanted}


def lookup_in_child(models: Iterable[str]) -> Prices:
    """Call `lookup` in a short-lived process, which gives the table's memory back. Raises PriceError."""
    import subprocess

    # -m puts the working directory first on the path: it must not be one that a stranger filled.
    command, folder = [sys.executable, "-m", "budgauge.pricing.price_table"], Path(__file__).parents[1]
    asked = msgspec.json.encode(sorted(models))
    try:
        answer = subprocess.run(command, input=asked, cwd=folder, capture_output=True, timeout=60, check=True)
        return _decoder.decode(answer.stdout)
    except (OSError, subprocess.SubprocessError, msgspec.MsgspecError) as error:
        raise PriceError(f"the price table could not be read: {error}") from error
