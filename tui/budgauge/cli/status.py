"""`budgauge status`: totals as a table, or as JSON for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click
import msgspec

from budgauge.accounting.billing_cycle import zone
from budgauge.cli.options import Failure, common, note
from budgauge.config import BudgetConfig
from budgauge.config.both import load_user
from budgauge.config.load import Options
from budgauge.errors import ConfigError
from budgauge.status.cost import price_advice
from budgauge.status.fields import to_json
from budgauge.status.problems import Problem
from budgauge.status.row import CycleRow, UsageRow
from budgauge.status.snapshot import Snapshot
from budgauge.status.standing import nearer, total_words
from budgauge.status.unasked import unasked_words
from budgauge.text import count, money, percent, percent_of, safe, width
from budgauge.views.both import BothObserver
from budgauge.views.live import Observer, View

_LEDGER_HINT = "Name another ledger with --ledger FILE. To see where this one comes from: budgauge config"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, ASCII-escaped.")
@click.option(
    "--exit-code", is_flag=True, help="Exit with 4 when the warning threshold is reached, 3 when nothing is left."
)
@click.option("--cycles", "with_cycles", is_flag=True, help="Also show every cycle's totals and cost, resets or not.")
@common
def status_command(options: Options, as_json: bool, exit_code: bool, with_cycles: bool) -> None:
    """Show the tokens used by each agent, and the rest of the budget.

    Where a project's config is wrong, your own budget is shown, and the exit code is 2.
    """
    observer, wrong = _observer(options)
    observer.resolve_prices()
    view = observer.look()
    trouble = view.ledger_trouble
    if as_json and view.user is not None:
        trouble = trouble or view.user.ledger_trouble
    if trouble:
        raise Failure(trouble, _LEDGER_HINT, 1)
    for notice in dict.fromkeys((*view.notices, *(view.user.notices if view.user else ()))):
        note(notice)
    snapshot = view.snapshot if wrong is None else _with_problem(view.snapshot, wrong)
    if with_cycles and view.config.cycle is None:
        note('no cycle is set; one is, for instance, with [token_budget.cycle] and period = "monthly"')
    cycles = observer.cycles() if with_cycles else None
    if as_json:
        user = snapshot if wrong else view.user.snapshot if view.user else None
        click.echo(to_json(snapshot, cycles, user))
    else:
        lines = [_WRONG_PROJECT, *_lines(view)] if wrong else _lines(view)
        click.echo("\n".join([*lines, *(_cycle_lines(cycles, view.config) if cycles else [])]))
    if wrong is not None:
        raise Failure.of(wrong)
    if exit_code:
        code = {"ok": 0, "warning": 4, "exceeded": 3}[snapshot.state]
        click.get_current_context().exit(code)


_WRONG_PROJECT = "Budget  your own; the project's config is wrong, so the project's budget is unknown"


def _observer(options: Options) -> tuple[Observer, ConfigError | None]:
    """Return an observer of the budgets; of the user's own alone, with the error, if the project's config is wrong.

    Raises ConfigError.
    """
    try:
        return BothObserver(options, lookup=False), None
    except ConfigError as error:
        try:
            return Observer(options, lookup=False, read=load_user), error
        except ConfigError:
            raise error from None


def _with_problem(snapshot: Snapshot, error: ConfigError) -> Snapshot:
    problem = Problem(kind="project_config", count=1, message=f"the project's config is wrong: {error}")
    return msgspec.structs.replace(snapshot, problems=(*snapshot.problems, problem))


def _lines(view: View) -> list[str]:
    snapshot = view.snapshot
    lines = [*_total_lines(snapshot, view.config, exists=view.ledger_exists), *_budget_lines(view)]
    rows: list[UsageRow] = [*snapshot.agents, *snapshot.families]
    if rows:
        reserved = any(row.reserved for row in rows)
        heads = [head for head in _HEADS if reserved or head != _RESERVED]
        # One table for agents and families aligns their numbers.
        table = _table(heads, [_cells(row, snapshot, reserved=reserved) for row in rows])
        lines += ["", *table]
    lines += ["", *_cost_lines(snapshot)]
    lines += [f"Note    {safe(problem.message)}" for problem in snapshot.problems]
    if snapshot.unasked:
        lines.append(f"Gate    {unasked_words(snapshot.unasked)}; what to do: budgauge doctor")
    return lines


def _total_lines(snapshot: Snapshot, config: BudgetConfig, *, exists: bool) -> list[str]:
    origin = " (default)" if snapshot.budget_is_default else ""
    if snapshot.remaining_budget is None:
        first = f"Total   {count(snapshot.total_used)} tokens used, no budget is set (unlimited)"
    else:
        first = (
            f"Total   {count(snapshot.total_used)} / {count(snapshot.total_budget)} tokens{origin}  "
            f"{percent(snapshot.usage_percentage)}  {count(snapshot.remaining_budget)} left  {snapshot.state}"
        )
    if snapshot.reserved:
        first += f"  {count(snapshot.reserved)} reserved"
    lines = [first, f"Ledger  {safe(snapshot.ledger)}{'' if exists else ' (no file yet)'}"]
    if snapshot.since is not None:
        from budgauge.monitor.drawing.time_text import stamp

        begun = " (the cycle began)" if snapshot.runs_since_cycle else ""
        lines.append(f"Since   {stamp(snapshot.since)}{begun}")
        if snapshot.cycle_end is not None:
            lines.append(f"Cycle   ends {stamp(snapshot.cycle_end)}{_whose_midnight(config, snapshot.cycle_end)}")
    lines += [f"Limit   {safe(name)} has nothing left of its limit" for name in snapshot.exceeded]
    return [*lines, *([snapshot.warning] if snapshot.warning else [])]


def _whose_midnight(config: BudgetConfig, end: float) -> str:
    """Return the zone of a cycle's midnight, if the local clock shows another time then."""
    offset = datetime.fromtimestamp(end).astimezone().utcoffset()
    if config.cycle is None or config.cycle.timezone != "UTC" or not offset:
        return ""
    return ', midnight in UTC (cycle.timezone; "local" is this machine\'s)'


def _budget_lines(view: View) -> list[str]:
    """Return lines on the shown budget's owner and on the user's own budget, in a project."""
    if view.user is None:
        return []
    whose = "Budget  the project's; your own must allow a call as well"
    if view.user.ledger_trouble:
        return [whose, f"Yours   unknown: {safe(view.user.ledger_trouble)}"]
    user = view.user.snapshot
    yours, standing = total_words(user), nearer(user, view.snapshot)
    if standing is not None:
        # The total has no name; a limit does.
        yours += f"; closer to its limit: {standing.words}" if standing.name else ", which is closer to its limit"
    return [whose, f"Yours   {yours}"]


def _cost_lines(snapshot: Snapshot) -> list[str]:
    cost = snapshot.cost
    buffer = f"{snapshot.untracked_buffer:g}"
    parts = [f"{money(cost.total_usd)} so far", f"{money(cost.upper_usd)} with {buffer} % untracked"]
    if cost.budget_usd is not None:
        parts.append(f"{money(cost.budget_usd)} for the whole budget")
    lines = ["Cost    " + ", ".join(parts)]
    if cost.unpriced_tokens:
        lines.append(f"        {count(cost.unpriced_tokens)} tokens have no known price: {unpriced_names(snapshot)}")
        lines += [f"        {advice}" for advice in price_advice(snapshot.models)]
    return lines


def unpriced_names(snapshot: Snapshot) -> str:
    """Return the models without a price, and the missing factors."""
    return ", ".join(safe(row.unpriced) for row in snapshot.models if row.unpriced)


def _cycle_lines(cycles: Sequence[CycleRow], config: BudgetConfig) -> list[str]:
    """Return a line for each cycle, named by its first day in the cycle's time zone."""
    zone_of_days = zone(config.cycle.timezone) if config.cycle else None
    cells = [
        [
            datetime.fromtimestamp(row.begin, zone_of_days).strftime("%Y-%m-%d")
            + (" (present)" if row.current else ""),
            count(row.used),
            count(row.calls),
            money(row.cost_usd),
        ]
        for row in cycles
    ]
    return ["", *_table(["Cycle from", "Used", "Calls", "Cost"], cells)]


_RESERVED = "Reserved"
_HEADS = ["Agent", "Used", _RESERVED, "Limit", "Left", "Part", "State", "Calls", "Cost"]


def _cells(row: UsageRow, snapshot: Snapshot, *, reserved: bool) -> list[str]:
    limit = "none" if row.limit is None else count(row.limit)
    left = "" if row.remaining is None else count(row.remaining)
    part = (
        percent(snapshot.share(row.used))
        if row.usage_percentage is None
        else percent_of(row.usage_percentage, row.limit)
    )
    state = "of used" if row.limit is None else row.state
    shown_reserved = [count(row.reserved)] if reserved else []
    numbers = [count(row.used), *shown_reserved, limit, left, part, state, count(row.calls), money(row.cost_usd)]
    return [safe(row.key), *numbers]


_LEFT_ALIGNED = {"Agent", "Cycle from", "State"}


def _table(heads: list[str], rows: list[list[str]]) -> list[str]:
    """Return lines with columns padded to the terminal's width of each text."""
    widths = [max(width(cell) for cell in column) for column in zip(heads, *rows, strict=True)]

    def line(cells: list[str]) -> str:
        parts = []
        for cell, head, size in zip(cells, heads, widths, strict=True):
            space = " " * (size - width(cell))
            parts.append(cell + space if head in _LEFT_ALIGNED else space + cell)
        return "  ".join(parts).rstrip()

    return [line(heads), *(line(row) for row in rows)]
