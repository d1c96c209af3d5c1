"""A `[token_budget]` table, read from a file: every value checked, unknown keys named."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import tomli

from budgauge.config.factors import near_key
from budgauge.config.model import PriceOverride, check_factor, check_percent, check_price, check_tokens, show
from budgauge.config.name import hidden, same_name
from budgauge.errors import ConfigError
from budgauge.files.denying import MAX_BYTES

MAX_KEY_PARTS = 32
"""A key or header of more parts is refused: the parser's work grows with their square, and no signal stops it."""
Value = Any  # TOML's values: what each key may hold is checked by its own function
TABLE = "token_budget"


Keys = tuple[str, ...]
"""Where a value stands below `[token_budget]`: ("total_budget",), ("prices", "gpt-4", "prompt_per_1k")."""


class Table(msgspec.Struct, frozen=True):
    """A checked `[token_budget]` table."""

    path: Path
    values: dict[Keys, Value]
    lines: dict[Keys, int]
    """Where known."""
    warnings: tuple[str, ...]


def read_document(path: Path) -> tuple[dict[str, Value], str] | None:
    """Return a TOML file's content, parsed and as text; None if there is no such file. Raises ConfigError."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError(f"{path}: is not a regular file", hint="Put a TOML file there, or name another.")
        text = _bounded(path)
        return tomli.loads(text, parse_float=_number), text
    except ConfigError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}", hint="Check its permissions.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 (byte {error.start})", hint="Save it as UTF-8.") from error
    except (tomli.TOMLDecodeError, RecursionError, ValueError) as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}", hint="Correct that line.") from error


_KEY_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_\"'-])(?:{_KEY_PART}[ \t]*\.[ \t]*){{{MAX_KEY_PARTS}}}")


def _bounded(path: Path) -> str:
    """Return a file's text, short enough for the parser. Raises ConfigError."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path}: is longer than {MAX_BYTES} bytes", hint="Remove what is no configuration.")
    text = content.decode("utf-8-sig")
    if found := _LONG_KEY.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise ConfigError(
            f"{path}, line {line}: a key has more than {MAX_KEY_PARTS} parts", hint="Shorten or remove that key."
        )
    return text


def _number(text: str) -> Decimal | float:
    """Return a TOML float, exactly if a decimal can hold it."""
    try:
        return Decimal(text)
    except ArithmeticError:
        return float(text)


def check_table(path: Path, document: dict[str, Value], text: str) -> Table:
    """Return the document's `[token_budget]`, every value checked. Raises ConfigError, naming the line."""
    site = _Site(path, line_map(text))
    _check(document.get(TABLE, {}), _SCHEMA, (), site)
    for keys, value in site.values.items():
        if keys[0] in _PERCENTAGES and (doubt := fraction(site.where(keys), dotted((TABLE, *keys)), value)):
            site.warnings.append(doubt)
    return Table(path, site.values, site.lines, tuple(site.warnings))


_PERCENTAGES = ("warning_threshold", "untracked_buffer")


def fraction(where: str, key: str, value: Value) -> str | None:
    """Return a warning where a percentage is above 0 and below 1, most often meant as a fraction."""
    if not isinstance(value, (int, float, Decimal)) or not 0 < value < 1:
        return None
    return f"{where}: {key} = {value} is less than one percent; did you mean {float(value) * 100:g}?"


def misplaced(path: Path, document: dict[str, Value], text: str) -> list[str]:
    """Return warnings of tables and keys beside `[token_budget]` that were probably meant for it."""
    lines = line_map(text)
    warnings = []
    for name, value in document.items():
        if name == TABLE:
            continue
        if isinstance(value, dict) and re.sub("[^a-z]", "", name.lower()).removesuffix("s") == TABLE.replace("_", ""):
            what = f"table [{dotted((name,))}] is ignored; did you mean [{TABLE}]?"
        elif name in _OUR_OWN:
            what = f"{name} is ignored, for it stands outside the table; put it below the line [{TABLE}]"
        else:
            continue
        line = lines.get((name,))
        warnings.append(f"{path}, line {line}: {what}" if line else f"{path}: {what}")
    return warnings


_OUR_OWN = ("total_budget", "total_budget_usd", "warning_threshold", "per_agent_limits", "per_agent_limits_usd")
"""Keys of the table that no other program's config has at its top."""


class _Site(msgspec.Struct):
    """The state of a check: the present place, and everything found so far."""

    path: Path
    line_map: dict[Keys, int]
    values: dict[Keys, Value] = {}
    lines: dict[Keys, int] = {}
    warnings: list[str] = []

    def where(self, keys: Keys) -> str:
        line = self.line(keys)
        return f"{self.path}, line {line}" if line else str(self.path)

    def line(self, keys: Keys) -> int | None:
        """Return the line of a value; in an inline table, of the table's beginning."""
        lines = (self.line_map.get((TABLE, *keys[:end])) for end in range(len(keys), 0, -1))
        return next((line for line in lines if line), None)

    def fail(self, keys: Keys, value: Value, allowed: str) -> ConfigError:
        return ConfigError(
            f"{self.where(keys)}: {dotted((TABLE, *keys))} = {show(value)}: must be {allowed}",
            hint="Correct the value; until then a running budgauge keeps the last good one.",
        )


Check = Callable[[str, Value], None]


def _choice(*allowed: str) -> Check:
    def check(_key: str, value: Value) -> None:
        if value not in allowed:
            raise ConfigError(f": must be {' or '.join(map(show, allowed))}")

    return check


def _flag(_key: str, value: Value) -> None:
    if not isinstance(value, bool):
        raise ConfigError(": must be true or false")


def _text(_key: str, value: Value) -> None:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ConfigError(": must be a text that is not empty")


def _day(_key: str, value: Value) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 31:
        raise ConfigError(": must be a day of the month (1 to 31), or an ISO weekday (1 to 7) for weekly")


def _timezone(_key: str, value: Value) -> None:
    from zoneinfo import ZoneInfo

    if value in ("UTC", "local"):
        return  # also where the machine has no time zone database
    try:
        ZoneInfo(value)
    except Exception:  # zoneinfo raises what its reading of the name happens to run into
        raise ConfigError(': must be an IANA time zone such as "Europe/Berlin", or "local"') from None


class _Each(msgspec.Struct, frozen=True):
    """A table with free keys (agents, models), and the schema of each entry."""

    entry: Any
    near: Callable[[str], str | None] = lambda _name: None
    """The known key nearest to one that is not known; None for a known one."""
    is_name: bool = False
    """Its keys are names of agents or models, which must hide nothing."""


_PRICE = dict.fromkeys(PriceOverride.__struct_fields__, check_price)
_SCHEMA: dict[str, Any] = {
    "total_budget": check_tokens,
    "warning_threshold": check_percent,
    "ledger": _text,
    "count": _choice("all", "uncached"),
    "untracked_buffer": check_percent,
    "sync": _flag,
    "on_hook_error": _choice("allow", "deny"),
    "language": _choice("auto", "en", "ja"),
    "per_agent_limits": _Each(check_tokens, is_name=True),
    "cycle": {"period": _choice("daily", "weekly", "monthly"), "day": _day, "timezone": _timezone},
    "collect": {"agent": _choice("tool", "project")},
    "notify": {"desktop": _flag, "bell": _flag, "title": _flag},
    "prices": _Each(_PRICE, is_name=True),
    "price_factors": _Each(check_factor, near_key),
}


def _check(value: Value, schema: Any, keys: Keys, site: _Site) -> None:
    if isinstance(schema, _Each):
        _check_is_table(value, keys, site)
        for name, entry in value.items():
            if near := schema.near(name):
                where, key = site.where((*keys, name)), dotted((TABLE, *keys, name))
                site.warnings.append(f"{where}: unknown key {key} is ignored; did you mean {near}?")
            else:
                if schema.is_name and (trouble := hidden(name)):
                    raise _typed_wrongly(site, (*keys, name), trouble)
                _check(entry, schema.entry, (*keys, name), site)
    elif isinstance(schema, dict):
        _check_is_table(value, keys, site)
        for name, entry in value.items():
            if name in schema:
                _check(entry, schema[name], (*keys, name), site)
            else:
                site.warnings.append(_unknown(site, (*keys, name), schema))
        if schema is _PRICE:
            _check_price_is_whole(value, keys, site)
    else:
        try:
            schema("", value)
        except ConfigError as error:
            raise site.fail(keys, value, str(error).partition(": must be ")[2]) from None
        form = tuple(map(same_name, keys))
        if form in site.values:
            raise _typed_wrongly(site, keys, "stands there twice, with its accents in two forms")
        site.values[form] = value
        if line := site.line(keys):
            site.lines[form] = line


def _typed_wrongly(site: _Site, keys: Keys, trouble: str) -> ConfigError:
    table = dotted((TABLE, *keys[:-1]))
    return ConfigError(
        f"{site.where(keys)}: {table}: the name {keys[-1]!r} {trouble}", hint="Type the name anew, without it."
    )


def _check_is_table(value: Value, keys: Keys, site: _Site) -> None:
    if not isinstance(value, dict):
        raise site.fail(keys, value, f"a table, written [{dotted((TABLE, *keys))}]")


def _check_price_is_whole(value: dict[str, Value], keys: Keys, site: _Site) -> None:
    for needed in ("prompt_per_1k", "completion_per_1k"):
        if needed not in value:
            raise ConfigError(
                f"{site.where(keys)}: {dotted((TABLE, *keys))} has no {needed}: "
                "a price needs both prompt_per_1k and completion_per_1k, in US dollars per 1,000 tokens"
            )


def _unknown(site: _Site, keys: Keys, known: dict[str, Any]) -> str:
    from difflib import get_close_matches

    # A dollar key must not be taken for one in tokens.
    near = [] if keys[-1].endswith("_usd") else get_close_matches(keys[-1], known, 1, 0.5)
    advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    return f"{site.where(keys)}: unknown key {dotted((TABLE, *keys))} is ignored; {advice}"


_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dotted(keys: Keys) -> str:
    """Return keys in TOML's form: bare where allowed, else quoted."""
    return ".".join(
        key if _BARE.fullmatch(key) else '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"' for key in keys
    )


_HEADER = re.compile(r"^\s*\[([^\[\]]+)\]\s*(#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


def line_map(text: str) -> dict[Keys, int]:
    """Return key, or table → first line. Keys in an unusual layout are missing."""
    lines: dict[Keys, int] = {}
    table: Keys = ()
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.match(line):
            keys = table = _parts(header[1])
        elif key := _KEY.match(line):
            keys = (*table, *_parts(key[1]))
        else:
            continue
        for end in range(1, len(keys) + 1):
            lines.setdefault(keys[:end], number)
    return lines


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(name))
