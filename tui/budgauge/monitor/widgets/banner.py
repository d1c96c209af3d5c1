"""What a person must know now, the most severe first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

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
"""An answer is what came of a key that was pressed."""
_ORDER: tuple[Level, ...] = ("answer", "error", "warning", "info")
_LEVELS: dict[Severity, Level] = {"ok": "info", "warning": "warning", "exceeded": "error"}
_SIGNS: dict[Level, str] = {"answer": "›", "error": "■", "warning": "▲", "info": "·"}
NAMED = 4
"""So many exceeded agents are named; of the others, how many there are."""
_LINES_EACH = 2


class Item(msgspec.Struct, frozen=True):
    """One thing to say."""

    level: Level
    text: str
    """Safe to show."""


def banner_items(view: View, extra: Iterable[Item] = ()) -> tuple[Item, ...]:
    """Everything to say about a view, and what else there is, in order."""
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
    """What to say of the user's own budget, which must allow a call as well as the project's that is shown."""
    for trouble in (user.ledger_trouble, user.config_trouble):
        if trouble:
            yield Item("error", tr("Your own budget: {why}", why=safe(trouble)))
    if (standing := nearer(user.snapshot, shown)) is not None:
        yield Item(_LEVELS[standing.state], tr("Your own budget is nearer its end: {how}", how=standing.words))


def unasked_item(snapshot: Snapshot) -> Item:
    """That sessions spent today without asking the gate."""
    text = trn(
        "{n} session today spent {used} tokens without asking the gate; see budgauge doctor",
        "{n} sessions today spent {used} tokens without asking the gate; see budgauge doctor",
        len(snapshot.unasked),
        used=count(sum(session.used for session in snapshot.unasked)),
    )
    return Item("warning", text)


def exceeded_total(snapshot: Snapshot) -> Item:
    """That nothing of the total is left."""
    over = snapshot.total_used - snapshot.total_budget
    if over:
        return Item("error", tr("Total budget exceeded: {n} tokens over", n=count(over)))
    return Item("error", tr("Total budget used up: nothing is left"))


def exceeded_words(names: tuple[str, ...], named: int) -> str:
    """Whose limits are exceeded: so many by name, and how many more."""
    shown = ", ".join(safe(name, 40) for name in names[:named])
    if len(names) > named:
        return tr("Limit exceeded: {names} and {n} more", names=shown, n=count(len(names) - named))
    return tr("Limit exceeded: {names}", names=shown)


class Banner(Drawing):
    """A strip for each thing to say; takes no room when there is nothing."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"banner--answer", "banner--error", "banner--warning", "banner--info"}
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
    """What to say, in order."""
    room: reactive[int] = reactive(4, init=False)
    """The most lines it may take."""

    def watch_items(self) -> None:
        """Draw it."""
        self.display = bool(self.items)

    def draw(self, cells: int) -> list[Content]:
        """As many of the items as there is room for, and how many there are more."""
        lines: list[Content] = []
        for index, item in enumerate(self.items):
            left = self.room - len(lines)
            others = len(self.items) - index - 1
            if left <= 0:
                return self._with_more(lines, others + 1, cells)
            # What comes after it needs a line, too.
            wrapped = wrap(item.text, max(1, cells - 4), max(1, min(_LINES_EACH, left - others)))
            style = self.part(f"banner--{item.level}")
            for number, text in enumerate(wrapped):
                sign = _SIGNS[item.level] if number == 0 else " "
                lines.append(Content.styled(f" {sign} {text}" + " " * (cells - 3 - width(text)), style))
        return lines

    def _with_more(self, lines: list[Content], more: int, cells: int) -> list[Content]:
        """Say how many there are more, at the end of the last line that has room for it."""
        if not lines:
            return lines
        note = f" {tr('+{n} more', n=more)} "
        room = max(0, cells - width(note))
        place = next((at for at in reversed(range(len(lines))) if lines[at].rstrip().cell_length <= room), -1)
        kept = lines[place].rstrip().truncate(room, ellipsis=True)
        kept = kept.extend_right(room - kept.cell_length)
        lines[place] = kept + Content.styled(note, self.part("banner--info"))
        return lines
