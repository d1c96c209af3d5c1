"""Cost of a call beside the tokens: service tier, speed, region, web searches. Pure.

A factor multiplies every token price of a call. A combination that no factor is known for
has no price: a factor is never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from budgauge.config.model_name import ModelName, model_name

WEB_SEARCH = "web_search"
"""Key of a web search's price, in US dollars."""
REGIONAL = "inference_profile.regional"
"""Key of the factor for Bedrock's regional profiles, such as `us.anthropic.*`."""


class Factor(msgspec.Struct, frozen=True):
    """One line of the table."""

    key: str
    models: re.Pattern[str]
    """Must match the model's whole plain name."""
    value: Decimal
    """A factor of every token price; for a web search US dollars."""


_DATE = r"(-20\d{6}|-20\d\d-\d\d-\d\d)?"
_CLAUDE = r"claude-.*"
_NEWER_THAN_4_4 = rf"claude-[a-z]+-(4-([5-9]|\d\d)|[5-9](-\d{{1,2}})?){_DATE}"
_NEWER_THAN_4_5 = rf"claude-[a-z]+-(4-([6-9]|\d\d)|[5-9](-\d{{1,2}})?){_DATE}"


def _factor(key: str, models: str, value: str) -> Factor:
    return Factor(key, re.compile(models), Decimal(value))


TABLE: tuple[Factor, ...] = (
    # https://platform.claude.com/docs/en/about-claude/pricing, as of 2026-11-28: "Fast mode pricing".
    _factor("speed.fast", rf"claude-opus-4-7{_DATE}", "6"),
    _factor("speed.fast", rf"claude-(opus-4-8|opus-5|fable-5-2){_DATE}", "2"),
    # "Data residency pricing": models before 4.6 keep their price.
    _factor("inference_geo.us", _NEWER_THAN_4_5, "1.1"),
    # "Batch processing".
    _factor("service_tier.batch", _CLAUDE, "0.5"),
    # "Web search tool": $10 per 1,000 searches.
    _factor(WEB_SEARCH, _CLAUDE, "0.01"),
    # "Third-party platform pricing": regional endpoints from 4.5 on; models before keep their price.
    _factor(REGIONAL, _NEWER_THAN_4_4, "1.1"),
    _factor(REGIONAL, r"claude-(3.*|[a-z]+-4(-[01])?)" + _DATE, "1"),
    # https://developers.openai.com/api/docs/pricing, as of 2026-11-28: "Priority", "Flex" and "Batch".
    _factor("service_tier.priority", rf"gpt-5\.5{_DATE}", "2.5"),
    _factor("service_tier.priority", rf"gpt-5\.[46]{_DATE}", "2"),
    _factor("service_tier.flex", rf"gpt-5\.[456]{_DATE}", "0.5"),
    _factor("service_tier.batch", rf"gpt-5\.[456]{_DATE}", "0.5"),
)
"""The first line that fits holds."""
_KINDS = ("service_tier.", "speed.", "inference_geo.")
"""How the keys of calls begin; their ends are named by logs and answers."""


def near_key(key: str) -> str | None:
    """Return the known key nearest to a wrong one of `[token_budget.price_factors]`; None for a right one."""
    known = {line.key for line in TABLE}
    if key in known or (key.startswith(_KINDS) and not key.endswith(".")):
        return None
    from difflib import get_close_matches

    return (get_close_matches(key, known, 1, 0) or [WEB_SEARCH])[0]


_STANDARD = frozenset(("", "standard", "default", "auto", "on_demand", "not_available", "global"))
_KNOWN_FORM = re.compile(r"[a-z0-9_-]{1,32}")


def charged(value: object) -> str | None:
    """Return a tier, speed or region named by a log or an answer; None if standard or not named."""
    if value is None:
        return None
    text = str(value).strip().lower()
    if text in _STANDARD:
        return None
    return text if _KNOWN_FORM.fullmatch(text) else "unknown"


class Factors:
    """The table, overridden by a config's `[token_budget.price_factors]`."""

    def __init__(self, overrides: Mapping[str, Decimal] | None = None) -> None:
        self._overrides = overrides or {}

    def value(self, key: str, model: ModelName) -> Decimal | None:
        """Return a factor, or a web search's price in US dollars; None if unknown for this model."""
        if key in self._overrides:
            return Decimal(self._overrides[key])
        return next((line.value for line in TABLE if line.key == key and line.models.fullmatch(model.plain)), None)

    def unknown(self, model: str, keys: str, web_searches: int, *, profile: bool = True) -> tuple[str, ...]:
        """Return the keys without a value for this model."""
        name = model_name(model)
        needed = [*self._keys(name, keys, profile), *([WEB_SEARCH] if web_searches else [])]
        return tuple(key for key in needed if self.value(key, name) is None)

    def apply(self, cost: Decimal, model: str, keys: str, web_searches: int, *, profile: bool = True) -> Decimal | None:
        """Return a standard call's cost in US dollars with everything on top; None if a factor is unknown.

        Without `profile` the price is that of the regional profile already.
        """
        name = model_name(model)
        for key in self._keys(name, keys, profile):
            factor = self.value(key, name)
            if factor is None:
                return None
            cost = cost * factor
        if not web_searches:
            return cost
        each = self.value(WEB_SEARCH, name)
        return None if each is None else cost + web_searches * each

    @staticmethod
    def _keys(name: ModelName, keys: str, profile: bool) -> list[str]:
        return [*keys.split(), *([REGIONAL] if profile and name.is_regional else [])]
