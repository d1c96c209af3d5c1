"""`budgauge record` and `budgauge check`: for scripts and other languages."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from budgauge.authority.both import Both, authority_of
from budgauge.authority.local import Local
from budgauge.cli.options import common, note_set_aside, note_warnings
from budgauge.config.both import budgets_asked, load_budgets
from budgauge.config.load import Options
from budgauge.text import safe
from budgauge.tracker.tracker import TokenBudgetTracker

_count = partial(click.option, type=click.IntRange(min=0, max=2**53 - 1), metavar="N")


@click.command()
@click.option("--agent", required=True, metavar="ID", help="The agent that made the call.")
@click.option("--model", required=True, metavar="NAME", help="The model that was called.")
@_count("--prompt", required=True, help="Prompt tokens, cached ones included.")
@_count("--completion", required=True, help="Completion tokens.")
@_count("--cached", "cached_tokens", default=0, help="Prompt tokens read from a cache.")
@click.option("--service-tier", metavar="NAME", help="If not standard: priority, flex or batch.")
@click.option("--speed", metavar="NAME", help="If not standard: fast.")
@click.option("--inference-geo", metavar="NAME", help="The required region, if any: us.")
@_count("--web-searches", "web_search_requests", default=0, help="Web searches made by the provider.")
@click.option("--id", metavar="ID", help="The call's own id: a retry with the same id counts once.")
@click.option("--spent", is_flag=True, help="Record the call even past the budget: it was already made.")
@common
def record_command(options: Options, agent: str, model: str, prompt: int, completion: int, **call: Any) -> None:
    """Check a call against the budget and record it.

    Exit code 3, and nothing is recorded, if the budget forbids it.
    """
    budgets = budgets_asked(options)
    note_warnings(budgets)
    authority = authority_of(budgets)
    tracker = TokenBudgetTracker(authority=authority)
    added = tracker.report_usage(agent, model, prompt, completion, **call)
    note_set_aside(authority.project if isinstance(authority, Both) else authority)
    if not added:
        click.echo("already recorded; nothing was added")
        return
    left = tracker.get_remaining_budget()
    rest = "no budget is set" if left is None else f"{left:,} left"
    click.echo(f"recorded {prompt + completion:,} tokens; {tracker.get_total_used():,} used, {rest}")


@click.command()
@click.option("--agent", required=True, metavar="ID", help="The agent that would make the call.")
@_count("--tokens", default=1, help="Tokens to ask for; default 1: is anything left?")
@common
def check_command(options: Options, agent: str, tokens: int) -> None:
    """Ask whether your budget and the project's allow a call; nothing is recorded.

    Exit code 0 if they do, 3 if not.
    """
    budgets = load_budgets(options)
    note_warnings(budgets.all)
    for loaded in budgets.all:
        budget = Local(loaded.config, loaded.ledger.path)
        error = budget.check(agent, tokens)
        note_set_aside(budget)
        if error is not None:
            click.echo(safe(str(error)))
            click.get_current_context().exit(3)
    if budgets.troubles:
        raise budgets.troubles[0]
    click.echo("allowed")
