"""`budgauge config`: each value in effect and where it came from."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import click
import msgspec

from budgauge.cli.options import common, note_warnings
from budgauge.config.load import Loaded, Options, load
from budgauge.config.model import show
from budgauge.config.table import Keys, dotted
from budgauge.text import safe


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common
def config_command(options: Options, as_json: bool) -> None:
    """Show each value in effect and where it came from."""
    loaded = load(options)
    rows = [*_rows(loaded)]
    if as_json:
        import json

        values = {dotted(keys): {"value": value, "origin": origin} for keys, value, origin in rows}
        files = [str(path) for path in loaded.found]
        data = {"values": values, "files": files, "warnings": loaded.warnings}
        click.echo(json.dumps(data, indent=2, default=str))
        return
    note_warnings([loaded])
    shown = [(dotted(keys), "unset" if value is None else show(value), origin) for keys, value, origin in rows]
    widths = [max(len(row[column]) for row in shown) for column in (0, 1)]
    for key, value, origin in shown:
        click.echo(safe(f"{key:{widths[0]}}  {value:{widths[1]}}  {origin}"))


def _rows(loaded: Loaded) -> Iterator[tuple[Keys, Any, str]]:
    """Yield (key, value, origin) of every setting; the ledger's full path first."""
    yield ("ledger",), str(loaded.ledger.path), loaded.ledger.origin
    builtins: dict[str, Any] = msgspec.to_builtins(loaded.config, builtin_types=(Decimal,))
    builtins["collect"] = {"agent": builtins.pop("collect_agent")}
    for keys, value in _leaves((), builtins):
        yield keys, value, loaded.origins.get(keys, "default")


def _leaves(keys: Keys, value: Any) -> Iterator[tuple[Keys, Any]]:
    if not isinstance(value, dict):
        yield keys, value
        return
    for key, entry in value.items():
        yield from _leaves((*keys, key), entry)
