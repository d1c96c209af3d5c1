"""The doctor's check of prices: models in use without a known price."""

from __future__ import annotations

from budgauge.authority.local import Local
from budgauge.config.load import Loaded
from budgauge.doctor.finding import Finding, ok, warn
from budgauge.errors import PriceError
from budgauge.pricing.price_book import lookup_in_child, table_version
from budgauge.status.cost import model_rows, price_advice
from budgauge.text import count, plural


def prices(loaded: Loaded) -> Finding:
    """Check that every model in use has a price, and every call's tier, speed and region a factor."""
    config = loaded.config
    budget = Local(config, loaded.ledger.path, keeps_cache=False)
    budget.refresh()
    book, totals = budget.prices, budget.totals
    models = totals.models()
    try:
        book.learn(lookup_in_child(book.missing(models)), keep=False)
    except PriceError as error:
        return warn(str(error), "Install genai-prices again.")
    message = f"price table {table_version()}; {plural(len(models), 'model')} in use"
    rows = [row for groups in totals.whole_cycles().values() for row in model_rows(groups, config, book)]
    unknown = sorted(model for model in models if book.price(model) is None)
    factors = sorted({row.unpriced for row in rows if row.unknown_factors})
    if unknown:
        fix = 'Set them: [token_budget.prices."MODEL"] with prompt_per_1k and completion_per_1k.'
        details = [*unknown, *factors]
        return warn(f"{message}, {count(len(details))} without a known price", fix, details)
    if factors:
        message = f"{message}, {count(len(factors))} with calls of an unknown tier, speed or region"
        return warn(message, " ".join(price_advice(rows)), factors)
    return ok(message)
