"""Sums of calls, and the counters of one cycle. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

from budgauge.accounting.family import is_family, members_of
from budgauge.config.name import same_name

Bucket = tuple[int, int]
"""Which price a call has: (price period, long-prompt tier) of its model."""
PLAIN: Bucket = (0, 0)


class Sums:
    """Sums of calls; all but `calls`, `web_searches` and `last_used` (unix seconds of the latest call) are tokens."""

    __slots__ = FIELDS = (
        "calls",
        "prompt",
        "completion",
        "total",
        "cached",
        "cache_write",
        "cache_write_1h",
        "web_searches",
        "last_used",
    )

    def __init__(
        self,
        calls: int = 0,
        prompt: int = 0,
        completion: int = 0,
        total: int = 0,
        cached: int = 0,
        cache_write: int = 0,
        cache_write_1h: int = 0,
        web_searches: int = 0,
        last_used: float = 0.0,
    ) -> None:
        self.calls = calls
        self.prompt = prompt
        self.completion = completion
        self.total = total
        self.cached = cached
        self.cache_write = cache_write
        self.cache_write_1h = cache_write_1h
        self.web_searches = web_searches
        self.last_used = last_used

    values = property(attrgetter(*FIELDS))
    """All of them, in the order in which they are given to make one."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sums) and self.values == other.values

    __hash__ = None  # type: ignore[assignment]  # they change

    def __repr__(self) -> str:
        return f"Sums{self.values}"

    def add(self, other: Sums) -> None:
        """Add another's counts."""
        self.calls += other.calls
        self.prompt += other.prompt
        self.completion += other.completion
        self.total += other.total
        self.cached += other.cached
        self.cache_write += other.cache_write
        self.cache_write_1h += other.cache_write_1h
        self.web_searches += other.web_searches
        self.last_used = max(self.last_used, other.last_used)


def sum_of(parts: Iterable[Sums]) -> Sums:
    """Add several sums up."""
    whole = Sums()
    for part in parts:
        whole.add(part)
    return whole


GroupKey = tuple[str, str, Bucket, str]
"""(agent id, model, price bucket, what the calls cost beside their tokens)."""
Groups = dict[GroupKey, Sums]


class Counters:
    """The sums of one cycle since the last reset."""

    def __init__(self, groups: Groups | None = None) -> None:
        """`groups` are taken over as they are."""
        self.groups: Groups = {} if groups is None else groups
        self.spent: dict[str, tuple[int, int]] = {}
        """(total, cached) tokens of each agent."""
        self.spent_by_all: tuple[int, int] = (0, 0)
        """(total, cached) tokens of everyone."""
        self.cuts = 0
        """How often groups were taken away or brought back; between two of these, groups are only added."""
        self._other_forms: dict[str, list[str]] = {}
        """A name in the form in which names are compared → its other forms, as they came."""
        for key, sums in self.groups.items():
            self.spend(key[0], sums.total, sums.cached)

    def spend(self, agent_id: str, total: int, cached: int) -> None:
        """Note tokens of one agent, already added to the groups."""
        if agent_id not in self.spent:
            self._note_form(agent_id)
        spent, spent_cached = self.spent.get(agent_id, (0, 0))
        self.spent[agent_id] = (spent + total, spent_cached + cached)
        spent, spent_cached = self.spent_by_all
        self.spent_by_all = (spent + total, spent_cached + cached)

    def spending(self) -> Counters:
        """Return a copy of the agents' spending, without the groups."""
        copy = Counters()
        copy.spent, copy.spent_by_all = dict(self.spent), self.spent_by_all
        copy._other_forms = {key: list(forms) for key, forms in self._other_forms.items()}
        return copy

    def forms_of(self, name: str) -> list[str]:
        """Return the agents with usage under this name, in any form of the name; most often one."""
        key = same_name(name)
        return [form for form in (key, *self._other_forms.get(key, ())) if form in self.spent]

    def _note_form(self, agent_id: str) -> None:
        key = same_name(agent_id)
        if key != agent_id and agent_id not in self._other_forms.setdefault(key, []):
            self._other_forms[key].append(agent_id)

    def bring_back(self, groups: Groups) -> None:
        """Add groups that a reset took away."""
        self.cuts += 1
        for key, sums in groups.items():
            self.groups.setdefault(key, Sums()).add(sums)
            self.spend(key[0], sums.total, sums.cached)

    def take(self, agent_id: str | None) -> Groups:
        """Take away one agent's groups, a family's (`a/*`), or everyone's."""
        self.cuts += 1
        if agent_id is None:
            gone, self.groups, self.spent, self.spent_by_all = self.groups, {}, {}, (0, 0)
            return gone
        names = {*members_of(agent_id, self.spent)} if is_family(agent_id) else {agent_id} & self.spent.keys()
        if not names:
            return {}
        gone = {key: sums for key, sums in self.groups.items() if key[0] in names}
        for key in gone:
            del self.groups[key]
        for name in names:
            spent, (total, cached) = self.spent.pop(name), self.spent_by_all
            self.spent_by_all = (total - spent[0], cached - spent[1])
        return gone
