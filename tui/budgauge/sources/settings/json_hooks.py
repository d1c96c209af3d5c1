"""Hooks in a JSON file. The value of `hooks` is rewritten; all text around stays."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path

import msgspec

from budgauge.errors import ConfigError
from budgauge.sources.settings.entry import Value


def decoded(path: Path, text: str) -> dict[str, Value]:
    """The file's values; none if there is no text. Raises ConfigError."""
    if not text.strip():
        return {}
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{path}, line {error.lineno}: is not valid JSON: {error.msg}",
            hint="Correct that line; JSON has no comments and no comma after the last value.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is not valid JSON: {error}", hint="Correct it.") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: must hold an object, written {{ }}", hint="Correct it, or move the file away.")
    return document


def _unique(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {json.dumps(key)} stands twice in one object")
        found[key] = value
    return found


def _no_number(name: str) -> Value:
    raise ValueError(f"{name} is no number of JSON")


def edited(text: str, hooks: dict[str, Value]) -> str:
    """Return a valid settings text with these hooks; without the key if there are none. Raises ValueError."""
    end = "\r\n" if "\r\n" in text else "\n"
    text = text if text.strip() else "{}" + end
    members = _members(text)
    inside = text.index("{") + 1
    gap = text[inside : members[0].start] if members else end + "  "
    at = next((at for at, member in enumerate(members) if member.key == "hooks"), None)
    if at is not None:
        start, stop = (members[at].value, members[at].end) if hooks else _cut(text, members, at)
        return text[:start] + (_encoded(hooks, gap, text[start:stop]) if hooks else "") + text[stop:]
    member = '"hooks": ' + _encoded(hooks, gap, "")
    if members:
        line = end + gap.rpartition("\n")[2] if "\n" in gap else " "
        return f"{text[: members[-1].end]},{line}{member}{text[members[-1].end :]}"
    return f"{text[:inside]}{gap}{member}{end}{text[text.rindex('}') :]}"


class _Member(msgspec.Struct, frozen=True):
    """The places of a key's beginning, and of the beginning and end of the value."""

    key: str
    start: int
    value: int
    end: int


_SPACE = re.compile(r"[ \t\r\n]*")


def _skip(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it always matches


def _members(text: str) -> list[_Member]:
    """Return the members of the object in a valid JSON text."""
    decoder = json.JSONDecoder()
    found: list[_Member] = []
    at = _skip(text, text.index("{") + 1)
    while text[at] != "}":
        key, end = decoder.raw_decode(text, at)
        value = _skip(text, _skip(text, end) + 1)
        found.append(_Member(key, at, value, decoder.raw_decode(text, value)[1]))
        at = _skip(text, found[-1].end)
        at = _skip(text, at + 1) if text[at] == "," else at
    return found


def _cut(text: str, members: list[_Member], at: int) -> tuple[int, int]:
    """Return the span of a member and one comma; the last member leaves `{}`."""
    if at:
        return members[at - 1].end, members[at].end
    if len(members) > 1:
        return members[0].start, members[1].start
    return text.index("{") + 1, text.rindex("}")


def _encoded(hooks: dict[str, Value], gap: str, old: str) -> str:
    """Return the value of `hooks`, laid out as the old one if regular, else as the gap before the first key."""
    end = "\r\n" if "\r\n" in gap else "\n"
    margin = gap.rpartition("\n")[2] if "\n" in gap else None
    layouts = product((margin, None), (False, True), (False, True)) if old else ()
    same = (layout for layout in layouts if _dumped(json.loads(old), end, *layout) == old)
    has_half_pair = bool(re.search(r"\\u[dD][89a-fA-F]", old))  # which UTF-8 cannot hold but as an escape
    return _dumped(hooks, end, *next(same, (margin, has_half_pair, False)))


def _dumped(value: Value, end: str, margin: str | None, is_ascii: bool, is_tight: bool) -> str:
    """JSON on one line, or on several, each level deeper by one margin more."""
    separators = ("," if is_tight or margin is not None else ", ", ":" if is_tight else ": ")
    text = json.dumps(value, indent=margin, separators=separators, ensure_ascii=is_ascii, allow_nan=False)
    return text.replace("\n", end + (margin or ""))
