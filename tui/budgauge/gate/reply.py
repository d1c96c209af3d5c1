"""The answer to a hook call, as the agent expects it."""

from collections.abc import Sequence
from typing import NamedTuple

from budgauge.gate.call import DECIDING
from budgauge.text import safe


class Answer(NamedTuple):
    """What the agent is to be answered."""

    code: int = 0
    """0 allows, 2 refuses."""
    output: str = ""
    error: str = ""


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
    text = safe(f"budgauge could not decide, {done}: {trouble}")
    if refuses:
        return Answer(2, error=f"{text}\n")
    return Answer(output=_json({"systemMessage": text}), error=f"{text}\n")


def _json(value: object) -> str:
    # Loaded here: there is seldom anything to tell. It escapes what an agent's encoding may lack.
    import json

    return json.dumps(value) + "\n"
