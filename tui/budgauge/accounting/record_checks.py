"""Checks of records before they are written: this program writes only lines that every reader takes alike."""

import re
import unicodedata

import msgspec

from budgauge.accounting.codec import decode_line, encode
from budgauge.accounting.number import MAX_COUNT, MAX_SECONDS, MAX_TIMESTAMP
from budgauge.accounting.records import MAX_NAME_BYTES, Record, Usage
from budgauge.config.name import hidden
from budgauge.errors import RecordError


def _is_plain(name: str) -> bool:
    return name.isascii() and 0 < len(name) <= MAX_NAME_BYTES and name.isprintable()


def check_name(field: str, value: object, *, is_recorded: bool = False) -> str:
    """Return `value`, fit to be written as an agent id or a model, or raise RecordError.

    Control characters are refused here though a foreign line that has them counts: what
    we write ourselves must be safe in every reader's terminal. Spaces at the ends and invisible
    characters are refused, too, unless the name `is_recorded` already: two names must not look the same.
    """
    if type(value) is str and _is_plain(value) and (is_recorded or value == value.strip()):
        return value
    if not isinstance(value, str) or not value:
        raise RecordError(f"{field} must be a text of 1 to {MAX_NAME_BYTES} bytes, not {value!r}")
    if (size := _size(field, value)) > MAX_NAME_BYTES:
        raise RecordError(f"{field} {value[:20]!r}... has {size} bytes; at most {MAX_NAME_BYTES} are allowed")
    if not value.isprintable() and any(unicodedata.category(char) == "Cc" for char in value):
        raise RecordError(f"{field} {value!r} holds a control character; use printable text")
    if not is_recorded and (trouble := hidden(value)):
        raise RecordError(f"{field} {value!r} {trouble}", hint="Type the name anew, without it.")
    return str(value)


def _size(field: str, text: str) -> int:
    """Return the bytes of a text, or raise RecordError."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise RecordError(f"{field} {text!r} is not valid Unicode: it holds half a surrogate pair") from None


def check_count(field: str, value: object, *, least: int = 0) -> int:
    """Return `value`, a count of tokens from `least` to 2^53-1, or raise RecordError."""
    if type(value) is int and least <= value <= MAX_COUNT:
        return value
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MAX_COUNT:
        raise RecordError(f"{field} must be an integer from {least} to {MAX_COUNT}, not {value!r}")
    return value


def check_timestamp(value: object) -> float:
    """Return `value`, a moment in unix seconds from 0 to 10^11, or raise RecordError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= MAX_SECONDS:
        raise RecordError(f"timestamp must be unix seconds from 0 to {MAX_SECONDS}, not {value!r}")
    return int(value) if isinstance(value, int) else float(value)


def check_ttl(now: float, ttl: object) -> float:
    """The unix second at which a time to live of `ttl` seconds ends, else RecordError."""
    good = isinstance(ttl, (int, float)) and not isinstance(ttl, bool) and ttl > 0 and now + ttl <= MAX_TIMESTAMP
    if not good:
        raise RecordError(f"ttl must be a number of seconds above 0, not {ttl!r}")
    expires = round(now + ttl, 3)  # type: ignore[operator]  # a number, said just above
    if expires <= now:
        raise RecordError(f"ttl must be a thousandth of a second at least, not {ttl!r}: it would hold nothing")
    return int(expires) if expires == int(expires) else expires


def check_record(record: Record) -> None:
    """Raise RecordError for a record that some reader of the line would take for another."""
    try:
        fault = decode_line(encode(record).rstrip())
    except (UnicodeEncodeError, TypeError, msgspec.MsgspecError) as error:
        fault = str(error)
    if isinstance(fault, str):
        raise RecordError(f"this record cannot be written: {fault}", hint="Make records with make_usage.")


def make_usage(
    agent_id: str,
    model: str,
    prompt_tokens: int,
    completion_tokens: int,
    *,
    timestamp: float,
    id: str | None = None,
    alias: str | None = None,
    cached_tokens: int = 0,
    cache_write_tokens: int = 0,
    cache_write_1h_tokens: int = 0,
    reasoning_tokens: int = 0,
    session: str | None = None,
    project: str | None = None,
    source: str | None = None,
    service_tier: str | None = None,
    speed: str | None = None,
    inference_geo: str | None = None,
    web_search_requests: int = 0,
) -> Usage:
    """Make a usage record fit to be written. Raises RecordError for a bad field, or for parts larger than a whole."""
    agent_id, model = check_name("agent_id", agent_id), check_name("model", model)
    timestamp = check_timestamp(timestamp)
    check_count("prompt_tokens", prompt_tokens)
    check_count("completion_tokens", completion_tokens)
    total = check_count("prompt_tokens + completion_tokens", prompt_tokens + completion_tokens)
    if (cached_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens) != (0, 0, 0, 0):
        _check_parts(prompt_tokens, cached_tokens=cached_tokens, cache_write_tokens=cache_write_tokens)
        _check_parts(cache_write_tokens, cache_write_1h_tokens=cache_write_1h_tokens)
        _check_parts(completion_tokens, reasoning_tokens=reasoning_tokens)
    texts = {"id": id, "alias": alias, "session": session, "project": project, "source": source}
    charges = {"service_tier": service_tier, "speed": speed, "inference_geo": inference_geo}
    for field, text in texts.items():
        check_text(field, text)
    for field, text in charges.items():
        check_charge(field, text)
    return Usage(
        agent_id,
        model,
        prompt_tokens,
        completion_tokens,
        total,
        timestamp,
        cached_tokens=cached_tokens or None,
        cache_write_tokens=cache_write_tokens or None,
        cache_write_1h_tokens=cache_write_1h_tokens or None,
        reasoning_tokens=reasoning_tokens or None,
        web_search_requests=check_count("web_search_requests", web_search_requests) or None,
        **texts,
        **charges,
    )


def _check_parts(whole: int, **parts: int) -> None:
    """Raise RecordError unless the parts are counts, together no more than the whole."""
    together = sum(check_count(field, value) for field, value in parts.items())
    if together > whole:
        raise RecordError(f"{' + '.join(parts)} is {together}, more than the {whole} tokens it is part of")


MAX_TEXT_BYTES = 512
"""The most bytes an id, session, project or source may have, so that a line stays under 4 KiB."""


def check_text(field: str, value: str | None) -> None:
    """RecordError unless `value` is None or a short text without half surrogates."""
    if value is None:
        return
    if not isinstance(value, str) or not value:
        raise RecordError(f"{field} must be a text, not {value!r}")
    if (size := _size(field, value)) > MAX_TEXT_BYTES:
        raise RecordError(f"{field} has {size} bytes; at most {MAX_TEXT_BYTES} are allowed")


MAX_CHARGE_BYTES = 32
"""The most bytes a service tier, speed or region may have."""
_CHARGE = re.compile(r"[A-Za-z0-9_-]+")


def check_charge(field: str, value: object) -> None:
    """RecordError unless `value` is None or the short name of a tier, speed or region."""
    if value is None:
        return
    if not isinstance(value, str) or len(value) > MAX_CHARGE_BYTES or not _CHARGE.fullmatch(value):
        raise RecordError(
            f"{field} must be a name of 1 to {MAX_CHARGE_BYTES} letters, digits, - and _, not {str(value)[:60]!r}"
        )
