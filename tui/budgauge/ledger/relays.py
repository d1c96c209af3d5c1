"""Other calls of the same message id: some relays give every answer one and the same."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from budgauge.accounting.records import VARIANT, Usage

_SOURCE = "claude-code"
"""The source whose ids come from whoever serves the model; others' are made of their own threads' ids."""


def under_own_id(call: Usage, find: Callable[[str], Usage | None]) -> Usage:
    """Return a call under the id of its record, present or future; `find` gives the record with an id.

    A copy of a call repeats its counts: where another session has entered the id with another
    prompt, this is another call. And what one log's second call is may be another log's first.
    """
    if call.source != _SOURCE or call.id is None:
        return call
    id, variant, _ = call.id.partition(VARIANT)
    known = find(id)
    if known is None or known.source != _SOURCE or known.session is None:
        return call
    if variant:
        is_first = (known.prompt_tokens, known.completion_tokens) == (call.prompt_tokens, call.completion_tokens)
        return msgspec.structs.replace(call, id=id) if is_first else call
    if known.session == call.session or known.prompt_tokens == call.prompt_tokens:
        return call
    return msgspec.structs.replace(call, id=f"{id}{VARIANT}{call.prompt_tokens}.{call.completion_tokens}")
