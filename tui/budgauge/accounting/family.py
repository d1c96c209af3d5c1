"""Families of agents: `a/*` is the agent `a` and everything below it. Pure."""

from collections.abc import Iterator


def families_of(agent_id: str) -> Iterator[str]:
    """The family keys above an agent, nearest first: a/b/c is in a/b/c/*, a/b/* and a/*."""
    name = agent_id
    while name:
        yield f"{name}/*"
        name = name.rpartition("/")[0]
