"""Values of a budget's configuration: their defaults, and the checks of each."""

from decimal import Decimal
from types import NoneType
from typing import Literal

import msgspec

from budgauge.config.name import hidden, same_name
from budgauge.errors import ConfigError

MAX_TOKENS = 2**53 - 1
DEFAULT_BUDGET = 1_000_000


class PriceOverride(msgspec.Struct, frozen=True, kw_only=True):
    """A model's price as set by the user, in US dollars per 1,000 tokens."""

    prompt_per_1k: Decimal
    completion_per_1k: Decimal
    cached_per_1k: Decimal | None = None
    """None: as `prompt_per_1k`."""
    cache_write_per_1k: Decimal | None = None
    """None: as `prompt_per_1k`."""
    cache_write_1h_per_1k: Decimal | None = None
    """None: as `cache_write_per_1k`."""

    def __post_init__(self) -> None:
        for key in self.__struct_fields__:
            if (value := getattr(self, key)) is not None:
                check_price(key, value)


class Notify(msgspec.Struct, frozen=True, kw_only=True):
    """Ways to warn a person beside the screen."""

    desktop: bool = False
    bell: bool = False
    title: bool = False


class Cycle(msgspec.Struct, frozen=True, kw_only=True):
    """The period after which counters start afresh."""

    period: Literal["daily", "weekly", "monthly"]
    day: int = 1
    timezone: str = "UTC"
    """An IANA name, or `local`: whose midnight a boundary is."""

    def __post_init__(self) -> None:
        check_choice("cycle.period", self.period, "daily", "weekly", "monthly")
        if isinstance(self.day, bool) or not isinstance(self.day, int) or not 1 <= self.day <= 31:
            raise ConfigError(f"cycle.day = {show(self.day)}: must be an integer from 1 to 31")
        _check_kind("cycle.timezone", self.timezone, str, "the name of a time zone")


class BudgetConfig(msgspec.Struct, frozen=True):
    """The rules of a budget, in counted tokens and percentages (0 to 100). Raises ConfigError for a wrong value."""

    total_budget: int = DEFAULT_BUDGET
    """0 means unlimited."""
    warning_threshold: float = 80
    per_agent_limits: dict[str, int] = msgspec.field(default_factory=dict)
    """By agent id, or by family (`claude-code/*`), in Unicode's NFC; 0 means nothing is allowed."""
    count: Literal["all", "uncached"] = "all"
    """`uncached` leaves cache reads out of what budgets count."""
    untracked_buffer: float = 15
    sync: bool = False
    on_hook_error: Literal["allow", "deny"] = "allow"
    language: Literal["auto", "en", "ja"] = "auto"
    collect_agent: Literal["tool", "project"] = "tool"
    cycle: Cycle | None = None
    notify: Notify = Notify()
    prices: dict[str, PriceOverride] = msgspec.field(default_factory=dict)
    price_factors: dict[str, Decimal] = msgspec.field(default_factory=dict)
    """By key, such as `speed.fast`, factors of token prices; `web_search` is US dollars for each."""

    def __post_init__(self) -> None:
        check_tokens("total_budget", self.total_budget)
        check_percent("warning_threshold", self.warning_threshold)
        check_percent("untracked_buffer", self.untracked_buffer)
        check_choice("count", self.count, "all", "uncached")
        check_choice("on_hook_error", self.on_hook_error, "allow", "deny")
        check_choice("language", self.language, "auto", "en", "ja")
        check_choice("collect_agent", self.collect_agent, "tool", "project")
        _check_kind("sync", self.sync, bool, "true or false")
        _check_kind("cycle", self.cycle, (Cycle, NoneType), "a Cycle or None")
        _check_kind("notify", self.notify, Notify, "a Notify")
        _check_entries("per_agent_limits", self.per_agent_limits)
        for agent_id, limit in self.per_agent_limits.items():
            check_tokens(f"per_agent_limits.{agent_id}", limit)
            check_is_seen("per_agent_limits", agent_id)
        msgspec.structs.force_setattr(self, "per_agent_limits", _in_one_form(self.per_agent_limits))
        _check_entries("prices", self.prices)
        for model, price in self.prices.items():
            check_is_seen("prices", model)
            _check_kind(f"prices.{model}", price, PriceOverride, "a PriceOverride")
        _check_entries("price_factors", self.price_factors)
        for key, factor in self.price_factors.items():
            check_factor(f"price_factors.{key}", factor)

    def counted(self, total: int, cached: int) -> int:
        """Return the counted part of `total` tokens, of which `cached` were cache reads."""
        return total - cached if self.count == "uncached" else total


def check_is_seen(key: str, name: str) -> None:
    """Raise ConfigError if a name, a key below `key`, holds invisible characters."""
    if trouble := hidden(name):
        raise ConfigError(f"{key}: the name {name!r} {trouble}", hint="Type the name anew, without it.")


def _in_one_form(limits: dict[str, int]) -> dict[str, int]:
    """Return limits by the form in which names are compared. Raises ConfigError."""
    if all(map(str.isascii, limits)):
        return limits
    found: dict[str, int] = {}
    for name, limit in limits.items():
        if (key := same_name(name)) in found:
            raise ConfigError(f"per_agent_limits: the name {key!r} stands there twice, with its accents in two forms")
        found[key] = limit
    return found


def check_tokens(key: str, value: object) -> None:
    """Raise ConfigError unless `value` is an integer from 0 to 2^53-1."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_TOKENS:
        raise ConfigError(f"{key} = {show(value)}: must be an integer from 0 to {MAX_TOKENS}")


def check_choice(key: str, value: object, *allowed: str) -> None:
    """Raise ConfigError unless `value` is one of the texts allowed."""
    if not isinstance(value, str) or value not in allowed:
        *most, last = map(show, allowed)
        raise ConfigError(f"{key} = {show(value)}: must be {', '.join(most)} or {last}")


def _check_kind(key: str, value: object, kind: type | tuple[type, ...], allowed: str) -> None:
    if not isinstance(value, kind):
        raise ConfigError(f"{key} = {show(value)}: must be {allowed}")


def _check_entries(key: str, value: object) -> None:
    _check_kind(key, value, dict, "a dict by name")
    assert isinstance(value, dict)
    for name in value:
        _check_kind(f"a key of {key}", name, str, "a text")


def check_percent(key: str, value: object) -> None:
    """Raise ConfigError unless `value` is a number from 0 to 100."""
    number = isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) and value == value
    if not number or not 0 <= value <= 100:  # type: ignore[operator]  # a number, said just above
        raise ConfigError(f"{key} = {show(value)}: must be a number from 0 to 100 (percent)")


MAX_PRICE = 1_000_000
"""US dollars per 1,000 tokens."""
PRICE_DECIMALS = 18


def check_price(key: str, value: object) -> None:
    """Raise ConfigError unless `value` is a price whose products with token counts can be exact."""
    if not _is_price(value):
        raise ConfigError(
            f"{key} = {show(value)}: must be a number of US dollars per 1,000 tokens, "
            f"from 0 to {MAX_PRICE} with at most {PRICE_DECIMALS} decimals"
        )


MAX_FACTOR = 1000


def check_factor(key: str, value: object) -> None:
    """Raise ConfigError unless `value` is a factor of prices whose products can be exact."""
    if not _is_price(value) or Decimal(value) > MAX_FACTOR:  # type: ignore[arg-type]  # a number, says _is_price
        raise ConfigError(
            f"{key} = {show(value)}: must be a number from 0 to {MAX_FACTOR} with at most {PRICE_DECIMALS} decimals"
        )


def _is_price(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return False
    number = Decimal(value)
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and 0 <= number <= MAX_PRICE and exponent >= -PRICE_DECIMALS


_SHOWN = 100
"""How many characters of a wrong value are shown."""


def show(value: object) -> str:
    """Return a value nearly as written by the user, in TOML's spelling."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value.bit_length() > 4 * _SHOWN:
        return "a number of " + str(value.bit_length() * 1233 >> 12) + " digits"
    text = '"' + value + '"' if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
