"""`budgauge doctor`: checks, and a fix for each trouble."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click
import msgspec

from budgauge.cli.options import common
from budgauge.config.load import Options
from budgauge.doctor.doctor import examine
from budgauge.doctor.finding import Finding, State
from budgauge.text import count, safe

SHOWN = 20
"""Details shown of one finding; JSON has all."""
TOPICS = {
    "config": "config",
    "budget": "limits",
    "ledger": "files",
    "lines": "ledger",
    "prices": "prices",
    "agents' logs": "collect",
    "gate": "gate",
    "sessions": "gate",
}
"""finding → the topic of `budgauge help` that says more."""
_SIGNS: dict[State, str] = {"ok": "●", "warning": "▲", "error": "■"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, ASCII-escaped.")
@common
def doctor_command(options: Options, as_json: bool) -> None:
    """Check config, ledger, lock, disk, checkpoint, watching and prices; nothing is changed.

    Exit code 1 if a check fails.
    """
    findings: list[Finding] = []
    for finding in examine(options):
        findings.append(finding)
        if not as_json:
            click.echo("\n".join(_lines(finding)))
    if as_json:
        click.echo(json.dumps({"checks": msgspec.to_builtins(findings)}, indent=2))
    if any(finding.state == "error" for finding in findings):
        click.get_current_context().exit(1)


def _lines(finding: Finding) -> Iterator[str]:
    yield safe(f"{_SIGNS[finding.state]} {finding.state:8} {finding.name:12} {finding.message}")
    for detail in finding.details[:SHOWN]:
        yield f"    {safe(detail)}"
    if len(finding.details) > SHOWN:
        yield f"    and {count(len(finding.details) - SHOWN)} more; all of them: budgauge doctor --json"
    if finding.fix:
        yield f"    → {safe(finding.fix)}"
    if finding.state != "ok" and finding.name in TOPICS:
        yield f"    more: budgauge help {TOPICS[finding.name]}"
