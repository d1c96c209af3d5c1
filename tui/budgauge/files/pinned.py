"""Folders named by an installed hook's command, which are stronger than the environment.

The standard library alone: it is asked where nothing else could be loaded, too.
"""

from __future__ import annotations

from collections.abc import MutableMapping

_FINDING = ("CODEX_HOME", "CODEX_TOKEN_LEDGER", "XDG_DATA_HOME", "XDG_CACHE_HOME")
"""Variables by which a budget and the cache folder are found, and which a repository's settings may set for a hook."""


def pin(env: MutableMapping[str, str], home: str | None, codex_home: str | None, cache_home: str | None) -> None:
    """Let the user's budget be found from these folders alone, whatever the environment says now.

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
