"""Certainty that a model of the price table is the named one, and not another with a similar name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from genai_prices.types import ClauseAnd, ClauseOr, ClauseRegex, MatchLogic, ModelInfo

_RELEASE = re.compile(
    r"[-@](?:latest|default|instruct|it|v\d+(?::\d+)?|20\d\d-?\d\d-?\d\d|\d{3,5}|(?:preview|exp)(?:-\d\d-(?:\d{4}|\d\d))?)$"
    r"|(?<=^claude-2)\.[01]$"
)
"""The last part of a name that tells a release or a build of a model, and not another model."""


def is_certain(info: ModelInfo, name: str) -> bool:
    """Return True if `info`, which the table's own rules found, is certainly the model of this name."""
    known = {info.id.lower(), *_texts(info.match)}
    return any(form in known for form in _forms(name.lower())) or any(
        re.search(whole, name) for whole in _patterns(info.match)
    )


def _forms(name: str) -> Iterator[str]:
    """Yield the name, then the name without the release, part by part."""
    yield name
    while (shorter := _RELEASE.sub("", name)) != name:
        name = shorter
        yield name


def _clauses(match: MatchLogic) -> Iterator[MatchLogic]:
    if isinstance(match, (ClauseOr, ClauseAnd)):
        for clause in match.or_ if isinstance(match, ClauseOr) else match.and_:
            yield from _clauses(clause)
    else:
        yield match


def _texts(match: MatchLogic) -> Iterator[str]:
    """Yield the names for which a rule looks, at any place of a name."""
    for clause in _clauses(match):
        yield from (text.lower().rstrip("-@") for text in vars(clause).values() if not isinstance(clause, ClauseRegex))


def _patterns(match: MatchLogic) -> Iterator[str]:
    """Yield the rules about a whole name."""
    for clause in _clauses(match):
        if isinstance(clause, ClauseRegex) and clause.regex.startswith("^") and clause.regex.endswith("$"):
            yield clause.regex
