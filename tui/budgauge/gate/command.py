"""The words of the installed command: `budgauge hook AGENT`, read without a command line library."""

from collections.abc import MutableMapping

from budgauge.config.load import Options
from budgauge.files.pinned import pin
from budgauge.gate.caller import CALLERS

_OPTIONS = ("--home", "--codex-home", "--cache-home", "--config", "--ledger")


def plain_call(words: list[str], env: MutableMapping[str, str]) -> tuple[str, Options] | None:
    """Return the agent's name and the options of an installed command; None for any other command.

    The agent's name is empty where the command names none. `env` is changed as by `pin`.
    """
    if words[:1] != ["hook"]:
        return None
    caller = words[1] if words[1:2] and words[1] in CALLERS else ""
    rest = words[2:] if caller else words[1:]
    names, values = rest[::2], rest[1::2]
    if len(names) != len(values) or not all(values) or len(set(names)) != len(names) or set(names) - set(_OPTIONS):
        return None
    given = dict(zip(names, values, strict=True))
    pin(env, given.get("--home"), given.get("--codex-home"), given.get("--cache-home"))
    return caller, Options(config=given.get("--config"), ledger=given.get("--ledger"))
