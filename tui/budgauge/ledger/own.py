"""The check that records under a call's id are of this call: anyone can write a line with the id of a call to come."""

from __future__ import annotations

import os
from collections.abc import Sequence

from budgauge.accounting.records import Usage
from budgauge.config.name import cleaned

NEAR_SECONDS = 3600
"""The lines of one message, and copies of them, are dated so close to each other at most,"""
SAME_SECONDS = 60
"""and so close as a rule."""


def own_parts(parts: Sequence[Usage], call: Usage) -> list[Usage]:
    """Return the records of this call among those under the call's id.

    They have its model and were spent when it was. They have its agent, too, and no larger prompt; only the same
    minute excuses one. Another name of the same agent, as before its kind was known or under another
    `collect.agent`, needs the same prompt: nobody can tell beforehand how large that will be.
    """
    near = _near(parts, call)
    mine = [part for part in near if part.agent_id == call.agent_id]
    if mine and (_prompt(mine) <= call.prompt_tokens or _apart(mine[0], call) <= SAME_SECONDS):
        return mine
    renamed = [part for part in near if part.agent_id != call.agent_id and _may_be_named(part, call)]
    renamed = [part for part in renamed if part.agent_id == renamed[0].agent_id]
    return renamed if _prompt(renamed) == call.prompt_tokens else []


def parts_of_response(parts: Sequence[Usage], call: Usage) -> list[Usage]:
    """Return the records of this call among those under the call's response id.

    A program may have recorded it for an agent of another name: it knows the size of the prompt.
    """
    if mine := own_parts(parts, call):
        return mine
    near = [part for part in _near(parts, call) if part.agent_id == parts[0].agent_id]
    return near if near and _prompt(near) == call.prompt_tokens else []


def _near(parts: Sequence[Usage], call: Usage) -> list[Usage]:
    return [part for part in parts if part.model == call.model and _apart(part, call) <= NEAR_SECONDS]


def _apart(record: Usage, call: Usage) -> float:
    return abs(record.timestamp - call.timestamp)


def _prompt(parts: Sequence[Usage]) -> int:
    return sum(part.prompt_tokens for part in parts)


def _may_be_named(record: Usage, call: Usage) -> bool:
    """Return True if both records may be of one agent, named by tool or by project, with or without a role."""
    tool = record.agent_id.partition("/")[0]
    folders = (os.path.basename((folder or "").rstrip("/")) for folder in (call.project, record.project))
    return tool in {call.source, *map(cleaned, folders)}
