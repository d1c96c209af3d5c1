"""The answer to a hook call, as the agent expects it."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from budgauge.gate.call import DECIDING, PROMPT
from budgauge.text import safe

_LONG = re.compile(r"(Agent .{60}).+( would exceed limit of)", re.DOTALL)
"""The message of a refusal, with a long agent's name in it."""


class Answer(NamedTuple):
    """What the agent is to be answered."""

    code: int = 0
    """0 allows, 2 refuses."""
    output: str = ""
    error: str = ""


ADVICE = (
    "This comes from budgauge, which keeps this machine's token budget. Stop here and tell the user; "
    "`budgauge status` shows what was used, and the budget is the user's to raise or to reset."
)
"""What a refusal says last: to the agent, and to a person who never heard of budgauge."""


def refused(event: str, reason: str) -> Answer:
    """An answer that refuses.

    At a prompt some agents obey exit code 2 alone, others the answer on standard output alone.
    """
    text = f"{safe(_shortened(reason))}\n{ADVICE}"
    block = _json({"decision": "block", "reason": text}) if event in PROMPT else ""
    return Answer(2, output=block, error=f"{text}\n")


def told(event: str, text: str, remarks: Sequence[str] = ()) -> Answer:
    """An answer that allows: the person sees the text and the remarks, the model the text alone."""
    message: dict[str, object] = {"systemMessage": "\n".join([*([text] if text else []), *map(safe, remarks)])}
    if text:
        message["hookSpecificOutput"] = {"hookEventName": event, "additionalContext": text}
    return Answer(output=_json(message))


def failed(event: str, trouble: str, *, denies: bool) -> Answer:
    """The answer where nothing could be decided: allowed or refused as the config says, and never silently."""
    refuses = denies and (not event or event in DECIDING)
    done = "so this was refused" if refuses else "so this was allowed without a check"
    text = f"budgauge could not decide, {done}: {trouble}"
    if refuses:
        return refused(event, text)
    text = safe(text)
    return Answer(output=_json({"systemMessage": text}), error=f"{text}\n")


def _shortened(reason: str) -> str:
    """What a project may have written, such as an agent's name, is no place for a speech to the model."""
    return _LONG.sub(lambda found: f"{found[1]}…{found[2]}", reason)


def _json(value: object) -> str:
    # Loaded here: there is seldom anything to tell. It escapes what an agent's encoding may lack.
    import json

    return json.dumps(value) + "\n"
