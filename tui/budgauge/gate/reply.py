"""The answer to a hook call, in the agent's form."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from budgauge.gate.call import DECIDING, PROMPT
from budgauge.text import safe

_LONG = re.compile(r"(Agent .{60}).+( would exceed limit of)", re.DOTALL)
"""The message of a refusal, with a long agent's name in it."""


class Answer(NamedTuple):
    """An exit code with the texts for both output streams."""

    code: int = 0
    """0 allows, 2 refuses."""
    output: str = ""
    error: str = ""


ADVICE = (
    "This comes from budgauge, which keeps this machine's token budget. Stop here and tell the user; "
    "`budgauge status` shows what was used, and the budget is the user's to raise or to reset."
)
"""The last words of a refusal: for the agent, and for a person new to budgauge."""


def refused(event: str, reason: str) -> Answer:
    """Return a refusal.

    At a prompt some agents obey only exit code 2, others only the answer on standard output.
    """
    text = f"{safe(_shortened(reason))}\n{ADVICE}"
    block = _json({"decision": "block", "reason": text}) if event in PROMPT else ""
    return Answer(2, output=block, error=f"{text}\n")


def allowed(event: str, text: str, remarks: Sequence[str] = ()) -> Answer:
    """Return an answer with a text for person and model, and remarks for the person alone."""
    message: dict[str, object] = {"systemMessage": "\n".join([*([text] if text else []), *map(safe, remarks)])}
    if text:
        message["hookSpecificOutput"] = {"hookEventName": event, "additionalContext": text}
    return Answer(output=_json(message))


def failed(event: str, trouble: str, *, denies: bool) -> Answer:
    """Return the answer where no decision was possible: as the config says, and never silent."""
    refuses = denies and (not event or event in DECIDING)
    done = "so this was refused" if refuses else "so this was allowed without a check"
    text = f"budgauge could not decide, {done}: {trouble}"
    if refuses:
        return refused(event, text)
    text = safe(text)
    return Answer(output=_json({"systemMessage": text}), error=f"{text}\n")


def _shortened(reason: str) -> str:
    """Return a refusal's message with a long agent's name cut: a project's text must not instruct the model."""
    return _LONG.sub(lambda found: f"{found[1]}…{found[2]}", reason)


def _json(value: object) -> str:
    # Loaded here: most answers have no text. ASCII escapes survive any encoding.
    import json

    return json.dumps(value) + "\n"
