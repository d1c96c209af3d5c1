"""Make a client of a ledger's server."""

from __future__ import annotations

import os

from budgauge.rpc.address import find_address
from budgauge.rpc.async_client import AsyncClient
from budgauge.rpc.client import Client


def connect(
    *,
    config: str | None = None,
    ledger: str | None = None,
    socket: str | os.PathLike[str] | None = None,
    tcp: str | None = None,
    token: str | None = None,
    timeout: float = 10.0,
) -> Client:
    """Return a client of a ledger's server, found by config and ledger as on the command line.

    Or of the server at a `socket`, or at `tcp` ("127.0.0.1:8765") with its `token`. `timeout` is
    how many seconds a call may take, with everything that is tried again. The connection is made
    by the first call. Raises ConfigError, ServerError.
    """
    return Client(find_address(config, ledger, socket, tcp, token), timeout=timeout)


def connect_async(
    *,
    config: str | None = None,
    ledger: str | None = None,
    socket: str | os.PathLike[str] | None = None,
    tcp: str | None = None,
    token: str | None = None,
    timeout: float = 10.0,
) -> AsyncClient:
    """Return a client for asyncio, as `connect`: `async with budgauge.connect_async() as client`."""
    return AsyncClient(find_address(config, ledger, socket, tcp, token), timeout=timeout)
