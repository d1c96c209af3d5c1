"""The usage in a model library's answer.

Read by genai-prices' `extract_usage`, which knows how the providers count: Anthropic leaves cache
reads and writes out of its prompt tokens, OpenAI has them in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from budgauge.config.factors import charged
from budgauge.config.name import cleaned
from budgauge.errors import DuplicateIdError, RecordError

_Outcome = TypeVar("_Outcome")


class ResponseUsage(msgspec.Struct, frozen=True):
    """The usage of one answer, as arguments of a report."""

    model: str
    prompt_tokens: int
    """Everything that was read from or written to a cache included."""
    completion_tokens: int
    fields: dict[str, Any]
    """The optional fields of a usage record."""


def usage_of(response: object) -> ResponseUsage:
    """Return the usage in an answer of the OpenAI or the Anthropic SDK, or in the same as plain values.

    Of a stream: the last event or chunk, which holds it. Raises RecordError if it holds none.
    """
    data = _plain(response)
    model = cleaned(data["model"]) if isinstance(data.get("model"), str) else ""
    data = {**data, "model": model}
    provider, flavor = _kind(data)
    from genai_prices import extract_usage

    try:
        usage = extract_usage(data, provider_id=provider, api_flavor=flavor).usage
    except (ValueError, LookupError, TypeError) as error:
        raise _no_usage(str(error)) from error
    if not model:
        raise _no_usage("it names no model")
    prompt, completion = _count(usage.input_tokens), _count(usage.output_tokens)
    writes = min(_count(usage.cache_write_tokens), prompt)
    fields = {
        "cached_tokens": min(_count(usage.cache_read_tokens), prompt - writes),
        "cache_write_tokens": writes,
        "cache_write_1h_tokens": min(_count(getattr(usage, "cache_write_1h_tokens", 0)), writes),
        "reasoning_tokens": min(_count(getattr(usage, "output_reasoning_tokens", 0)), completion),
        "source": provider,
        "id": _id(data),
        **_charges(data),
    }
    known = {name: value for name, value in fields.items() if value}
    return ResponseUsage(model, prompt, completion, known)


def recorded(usage: ResponseUsage, record: Callable[..., _Outcome]) -> _Outcome:
    """Record with the id, or without if another call has the id: spent tokens are always recorded."""
    try:
        return record(usage.model, usage.prompt_tokens, usage.completion_tokens, **usage.fields)
    except DuplicateIdError:
        # Some local servers give ids of three digits.
        fields = {name: value for name, value in usage.fields.items() if name != "id"}
        return record(usage.model, usage.prompt_tokens, usage.completion_tokens, **fields)


def _plain(response: object) -> Mapping[str, Any]:
    dump = getattr(response, "model_dump", None)
    data = dump(mode="json", warnings=False) if callable(dump) else response
    if not isinstance(data, Mapping):
        raise _no_usage(f"{type(response).__name__} is not an answer of theirs")
    inner = data.get("response")
    # The last event of a stream of OpenAI's Responses holds the whole answer.
    return inner if isinstance(inner, Mapping) and str(data.get("type", "")).startswith("response.") else data


def _kind(data: Mapping[str, Any]) -> tuple[str, str]:
    """Provider and flavour of the API, as genai-prices names them."""
    usage = data.get("usage")
    if not isinstance(usage, Mapping):
        raise _no_usage("there is no `usage`")
    if data.get("type") == "message":
        return "anthropic", "default"
    if "prompt_tokens" in usage:
        return "openai", "chat" if "completion_tokens" in usage else "embeddings"
    if data.get("object") == "response":
        return "openai", "responses"
    raise _no_usage("it is neither a chat completion, a Response nor a Message")


def _id(data: Mapping[str, Any]) -> str | None:
    """The same for the same answer, and for no other: some servers' own ids come again."""
    id, made = data.get("id"), data.get("created") or data.get("created_at")
    if not isinstance(id, str) or not 0 < len(id) <= 100:
        return None
    return f"{id}@{made:.0f}" if isinstance(made, (int, float)) else id


def _charges(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the surcharges of a call. OpenAI names the tier in the answer, Anthropic in the usage."""
    usage = data["usage"]
    tools = usage.get("server_tool_use")
    return {
        "service_tier": charged(data.get("service_tier") or usage.get("service_tier")),
        "speed": charged(usage.get("speed")),
        "inference_geo": charged(usage.get("inference_geo")),
        "web_search_requests": _count(tools.get("web_search_requests")) if isinstance(tools, Mapping) else 0,
    }


def _count(value: object) -> int:
    return int(value) if isinstance(value, (int, float)) and value > 0 else 0


def _no_usage(why: str) -> RecordError:
    return RecordError(
        f"this response tells of no usage: {why}",
        hint="Give the answer of the OpenAI or Anthropic SDK itself; of a stream the last part, asked for with usage "
        '(stream_options={"include_usage": True}, or get_final_message()).',
    )
