"""Plain names of models, out of the names given by clouds, routers and agents. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec


class ModelName(msgspec.Struct, frozen=True):
    """A model's name as given by the maker."""

    plain: str
    is_regional: bool = False
    """Called through a regional profile of Bedrock, whose prices are higher."""


_ARN = re.compile(r"arn:aws[a-z-]*:bedrock:[a-z0-9-]*:\d*:(?:inference-profile|foundation-model)/(.+)")
_ROUTE = re.compile(r"(?:openrouter|bedrock|vertex_ai|litellm)/")
_BEDROCK = re.compile(r"(?:([a-z]{2,4}(?:-gov)?|global)\.)?anthropic\.(claude-.+?)(?:-v\d+(?::\d+)?(?::\d+k)?)?")
_MAKER = re.compile(r"(?:anthropic/(?=claude-)|openai/(?=gpt-|o\d)|google/(?=gemini-))")
_VERTEX_DATE = re.compile(r"@(\d{8})$")
_LONG_CONTEXT = re.compile(r"\[1m\]$")


@lru_cache(maxsize=1024)
def model_name(model: str) -> ModelName:
    """Return the plain name of a model; the name itself if its form is unknown."""
    arn = _ARN.fullmatch(model)
    name = _LONG_CONTEXT.sub("", _ROUTE.sub("", arn[1] if arn else model, count=1))
    is_regional = False
    if bedrock := _BEDROCK.fullmatch(name):
        is_regional, name = bedrock[1] not in (None, "global"), bedrock[2]
    name = _MAKER.sub("", name, count=1)
    if name.startswith("claude-"):
        name = _VERTEX_DATE.sub(r"-\1", name).removesuffix("@default").removesuffix("-thinking")
        name = re.sub(r"(?<=\d)\.(?=\d)", "-", name)
    return ModelName(name, is_regional)


_DATE = re.compile(r"-20\d\d(\d{4}|-\d\d-\d\d)$")


def undated(name: str) -> str:
    """Return a plain name without the date of the release."""
    return _DATE.sub("", name)
