"""The answer to a hook call, as the agent expects it."""

from typing import NamedTuple

from budgauge.gate.call import DECIDING
from budgauge.text import safe


class Answer(NamedTuple):
    """What the agent is to be answered."""

    code: int = 0
    """0 allows, 2 refuses."""
    output: str = ""
    error: str = ""


def told(event: str, text: str) -> Answer:
    """An answer that allows, and tells the agent something."""
    specific = {"hookEventName": event, "additionalContext": text}
    return Answer(output=_json({"systemMessage": text, "hookSpecificOutput": specific}))


def failed(event: str, trouble: str, *, denies: bool) -> Answer:
    """The answer where nothing could be decided: allowed or refused as the config says, and never silently."""
    refuses = denies and (not event or event in DECIDING)
    done = "so this was refused" if refuses else "so this was allowed without a check"
    text = safe(f"budgauge could not decide, {done}: {trouble}")
    if refuses:
        return Answer(2, error=f"{text}\n")
    return Answer(output=_json({"systemMessage": text}), error=f"{text}\n")


def _json(value: object) -> str:
    # Loaded here: there is seldom anything to tell. It escapes what an agent's encoding may lack.
    import json

    return json.dumps(value) + "\n"
