"""The words of the installed command: `budgauge hook AGENT`, read without a command line library."""

from collections.abc import MutableMapping

from budgauge.config.load import Options
from budgauge.gate.asker import ASKERS

_OPTIONS = ("--home", "--codex-home", "--cache-home", "--config", "--ledger")
_FINDING = ("CODEX_HOME", "CODEX_TOKEN_LEDGER", "XDG_DATA_HOME", "XDG_CACHE_HOME")
"""Variables by which a budget and the cache folder are found, and which a repository's settings may set for a hook."""


def plain_call(words: list[str], env: MutableMapping[str, str]) -> tuple[str, Options] | None:
    """Return the agent's name and the options of a command as it is installed; None if it is any other.

    The agent's name is empty where the command does not give one. `env` is changed as `pin` does.
    """
    if words[:1] != ["hook"]:
        return None
    asker = words[1] if words[1:2] and words[1] in ASKERS else ""
    rest = words[2:] if asker else words[1:]
    names, values = rest[::2], rest[1::2]
    if len(names) != len(values) or not all(values) or len(set(names)) != len(names) or set(names) - set(_OPTIONS):
        return None
    given = dict(zip(names, values, strict=True))
    pin(env, given.get("--home"), given.get("--codex-home"), given.get("--cache-home"))
    return asker, Options(config=given.get("--config"), ledger=given.get("--ledger"))


def pin(env: MutableMapping[str, str], home: str | None, codex_home: str | None, cache_home: str | None) -> None:
    """Let the user's budget be found from these folders alone, whatever the environment says of it by now.

    The cache folder holds how far logs are read, and which sessions asked.
    Without a home, as in commands that earlier versions installed, the environment stays as it is.
    """
    if home:
        for name in _FINDING:
            env.pop(name, None)
        env["HOME"] = home
    if codex_home:
        env["CODEX_HOME"] = codex_home
    if cache_home:
        env["XDG_CACHE_HOME"] = cache_home
