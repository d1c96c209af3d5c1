"""`budgauge serve`: the RPC server in the foreground."""

from __future__ import annotations

import asyncio
import signal

import click

from budgauge.cli.options import common, note
from budgauge.config.load import Options


@click.command()
@click.option(
    "--tcp",
    "tcp_port",
    type=click.IntRange(min=0, max=65535),
    metavar="PORT",
    help="Also listen on this port of 127.0.0.1, for clients with the token; 0 takes a free port.",
)
@common
def serve_command(options: Options, tcp_port: int | None) -> None:
    """Serve the budget to programs that run agents, over JSON-RPC 2.0.

    Prints the socket's path; with --tcp also the address, and the file that holds the token.
    Ends with Ctrl+C or SIGTERM.
    """
    from budgauge.server.server import Server

    server = Server(options, tcp_port=tcp_port)

    def started() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, server.stop)
        click.echo(server.socket_path)
        if server.address is not None:
            click.echo("{}:{}".format(*server.address))
            click.echo(server.token_path)
        note("serving; stop with Ctrl+C")

    server.run(started)
