"""The banner: messages, the most severe first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec
from textual.content import Content
from textual.reactive import reactive

from budgauge.accounting.limits import Severity
from budgauge.monitor.drawing.wrap import wrap
from budgauge.monitor.language import tr, trn
from budgauge.monitor.widgets.drawing import Drawing
from budgauge.status.snapshot import Snapshot
from budgauge.status.standing import nearer
from budgauge.text import count, safe, width
from budgauge.views.live import View

Level = Literal["answer", "error", "warning", "info"]
"""An answer is the result of a pressed key."""
_ORDER: tuple[Level, ...] = ("answer", "error", "warning", "info")
_LEVELS: dict[Severity, Level] = {"ok": "info", "warning": "warning", "exceeded": "error"}
_SIGNS: dict[Level, str] = {"answer": "›", "error": "■", "warning": "▲", "info": "·"}
NAMED = 4
"""Exceeded agents that are named; of the others, the number is shown."""
_LINES_EACH = 2


class Item(msgspec.Struct, frozen=True):
    """One message."""

    level: Level
    text: str
    """Safe to show."""


def banner_items(view: View, extra: Iterable[Item] = ()) -> tuple[Item, ...]:
    """Return all messages on a view, with the extra ones, in order."""
    snapshot = view.snapshot
    items = [*extra]
    if view.ledger_trouble:
        items.append(Item("error", tr("Ledger: {why}", why=safe(view.ledger_trouble))))
    if view.config_trouble:
        items.append(Item("error", tr("Config: {why}", why=safe(view.config_trouble))))
    if snapshot.state == "exceeded":
        items.append(exceeded_total(snapshot))
    if snapshot.warning:
        items.append(Item("error" if snapshot.state == "exceeded" else "warning", snapshot.warning))
    if snapshot.exceeded:
        items.append(Item("error", exceeded_words(snapshot.exceeded, NAMED)))
    for problem in snapshot.problems:
        items.append(Item("warning", tr("Ledger: {why}", why=safe(problem.message))))
    if snapshot.unasked:
        items.append(unasked_item(snapshot))
    if view.user is not None:
        items += _users_items(view.user, snapshot)
    items += [Item("info", safe(notice)) for notice in view.notices]
    return tuple(sorted(items, key=lambda item: _ORDER.index(item.level)))


def _users_items(user: View, shown: Snapshot) -> Iterator[Item]:
    """Yield messages on the user's own budget, beside a project's: both must allow a call."""
    for trouble in (user.ledger_trouble, user.config_trouble):
        if trouble:
            yield Item("error", tr("Your own budget: {why}", why=safe(trouble)))
    if (standing := nearer(user.snapshot, shown)) is not None:
        yield Item(_LEVELS[standing.state], tr("Your own budget is closer to its limit: {how}", how=standing.words))


def unasked_item(snapshot: Snapshot) -> Item:
    """Return the message on sessions without gate calls today."""
    text = trn(
        "{n} session today spent {used} tokens without asking the gate; see budgauge doctor",
        "{n} sessions today spent {used} tokens without asking the gate; see budgauge doctor",
        len(snapshot.unasked),
        used=count(sum(session.used for session in snapshot.unasked)),
    )
    return Item("warning", text)


def exceeded_total(snapshot: Snapshot) -> Item:
    """Return the message on an exceeded total."""
    over = snapshot.total_used - snapshot.total_budget
    if over:
        return Item("error", tr("Total budget exceeded: {n} tokens over", n=count(over)))
    return Item("error", tr("Total budget used up: nothing is left"))


def exceeded_words(names: tuple[str, ...], named: int) -> str:
    """Return a text on exceeded limits: some by name, and the number of the others."""
    shown = ", ".join(safe(name, 40) for name in names[:named])
    if len(names) > named:
        return tr("Limit exceeded: {names} and {n} more", names=shown, n=count(len(names) - named))
    return tr("Limit exceeded: {names}", names=shown)


class Banner(Drawing):
    """A strip for each message; no room without one."""

    DEFAULT_CSS = """
    Banner {
        padding: 0;
        & .banner--answer { color: $text-primary; background: $primary 20%; text-style: bold; }
        & .banner--error { color: $text-error; background: $error 20%; text-style: bold; }
        & .banner--warning { color: $text-warning; background: $warning 16%; text-style: bold; }
        & .banner--info { color: $foreground 65%; background: $panel; }
    }
    """

    items: reactive[tuple[Item, ...]] = reactive((), init=False)
    room: reactive[int] = reactive(4, init=False)
    """The most lines to take."""

    def watch_items(self) -> None:
        """Hide the banner without messages."""
        self.display = bool(self.items)

    def draw(self, cells: int) -> list[Content]:
        """Return as many messages as room permits, and the number of the others."""
        lines: list[Content] = []
        for index, item in enumerate(self.items):
            left = self.room - len(lines)
            others = len(self.items) - index - 1
            if left <= 0:
                return self._with_more(lines, others + 1, cells)
            # Each later message needs a line, too.
            wrapped = wrap(item.text, max(1, cells - 4), max(1, min(_LINES_EACH, left - others)))
            style = self.part(f"banner--{item.level}")
            for number, text in enumerate(wrapped):
                sign = _SIGNS[item.level] if number == 0 else " "
                lines.append(Content.styled(f" {sign} {text}" + " " * (cells - 3 - width(text)), style))
        return lines

    def _with_more(self, lines: list[Content], more: int, cells: int) -> list[Content]:
        """Add the number of the others to the last line with room."""
        if not lines:
            return lines
        note = f" {tr('+{n} more', n=more)} "
        room = max(0, cells - width(note))
        place = next((at for at in reversed(range(len(lines))) if lines[at].rstrip().cell_length <= room), -1)
        kept = lines[place].rstrip().truncate(room, ellipsis=True)
        kept = kept.extend_right(room - kept.cell_length)
        lines[place] = kept + Content.styled(note, self.part("banner--info"))
        return lines
