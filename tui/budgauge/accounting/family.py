"""Families of agents: `a/*` is the agent `a` and all agents below. Pure."""

from collections.abc import Iterable, Iterator

from budgauge.config.name import FAMILY, same_name


def families_of(agent_id: str) -> Iterator[str]:
    """The family keys above an agent, nearest first: a/b/c is in a/b/c/*, a/b/* and a/*."""
    name = agent_id
    while name:
        yield f"{name}/*"
        name = name.rpartition("/")[0]


def is_family(key: str) -> bool:
    """Does a key name a family, and not one agent?"""
    return key.endswith(FAMILY) and key != FAMILY


def members_of(family: str, agents: Iterable[str]) -> Iterator[str]:
    """Return the agents of the family with this key (`a/*`)."""
    below = same_name(family[:-1])
    name = below[:-1]
    return (agent for agent in agents if (form := same_name(agent)) == name or form.startswith(below))
