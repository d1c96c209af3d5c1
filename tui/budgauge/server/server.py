"""The RPC server: one ledger's budget for all clients, in one event loop."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import msgspec

from budgauge.config.load import Options, load
from budgauge.errors import ServerError
from budgauge.rpc.endpoint import Endpoint, peer_uid
from budgauge.rpc.protocol import NOT_ALLOWED, CallError, Dispatcher, bind
from budgauge.server.connection import Connection
from budgauge.server.events import Events
from budgauge.server.ledger_work import LedgerWork
from budgauge.server.methods import TokenMethods, error_of
from budgauge.tracker.tracker import TokenBudgetTracker
from budgauge.views.both import BothObserver
from budgauge.views.live import Observer

MAX_CONNECTIONS = 64
MAX_STRANGERS = 16
"""The most connections without the token: they take no place from the others."""
BACKLOG = 128
READ_BYTES = 1 << 16
"""The most bytes of a connection read at once."""
SWEEP_SECONDS = 1.0
END_SECONDS = 2.0
"""The longest wait at the end for calls in work."""
_log = logging.getLogger("budgauge")


class Server:
    """A server of the ledger and config found by the options, until `stop` is called.

    `run` raises ConfigError, LedgerError, ServerError.
    """

    def __init__(
        self, options: Options, *, tcp_port: int | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """Take options, and in `tcp_port` a port on loopback to listen at as well; 0 takes a free one."""
        self._options = options
        self._clock = clock
        self._tcp_port = tcp_port
        self._loop: asyncio.AbstractEventLoop | None = None
        self.read_buffer = memoryview(bytearray(READ_BYTES))
        """The buffer of all connections' reads, valid until the next read. A new buffer for each read,
        as asyncio makes of 256 KiB, would make a call take half as long again."""
        self._connections: dict[Connection, None] = {}
        self._refused_users: set[int] = set()
        self.socket_path: Path | None = None
        self.token_path: Path | None = None
        self.address: tuple[str, int] | None = None
        """The address on loopback; None without one."""

    def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Serve until `stop`; `started` is called once clients can connect."""
        asyncio.run(self._run(started))

    def stop(self) -> None:
        """Answer the calls read, then end; safe from any thread and from signal handlers."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._stopped.set)

    async def _run(self, started: Callable[[], None]) -> None:
        self._stopped = asyncio.Event()
        self._loop = loop = asyncio.get_running_loop()
        # A later config does not change the ledger: clients find the server by the ledger.
        ledger = load(self._options).ledger.path
        named = Options(config=self._options.config, ledger=os.fspath(ledger))
        # A project's limits hold for the project's ledger as long as the server runs.
        make: Callable[..., Observer] = Observer
        if self._options.ledger is None:
            make = partial(BothObserver, user_options=self._options)
        observer = make(named, keeps_project=True, clock=self._clock)
        authority = observer.both_authorities if isinstance(observer, BothObserver) else observer.authority
        with ExitStack() as ending:
            endpoint = Endpoint(ledger)
            ending.callback(endpoint.leave)
            self._tracker = TokenBudgetTracker(authority=authority, now=self._clock)
            # The long first reading comes before the first client.
            self._tracker.get_total_used()
            self._work = LedgerWork(authority, loop, threads=MAX_CONNECTIONS)
            ending.callback(self._work.close)
            self.events = Events(observer)
            self._set_up(endpoint)
            for server in await self._listen(endpoint, loop):
                ending.callback(server.close)
            ending.callback(self.events.close)
            started()
            sweeping = loop.create_task(self._sweep())
            await self._stopped.wait()
            sweeping.cancel()
            await self._end_connections()

    def _set_up(self, endpoint: Endpoint) -> None:
        tokens = TokenMethods(self._tracker, self._work, self.events)
        table = {**tokens.table(), "auth": _authenticate}
        self.dispatcher: Dispatcher[Connection] = Dispatcher(table.get, error_of, lambda caller: caller.is_gone)
        self.door: Dispatcher[Connection] = Dispatcher(
            lambda name: _authenticate if name == "auth" else _closed_door, error_of
        )
        """The methods for clients without the token."""
        self.socket_path = endpoint.socket_path

    async def _listen(self, endpoint: Endpoint, loop: asyncio.AbstractEventLoop) -> list[asyncio.Server]:
        servers = []
        if self._tcp_port is not None:
            # First of all: the port may be taken.
            listening = _loopback(self._tcp_port)
            self.address = listening.getsockname()[:2]
            make = partial(Connection, self, endpoint.write_token())
            servers.append(await loop.create_server(make, sock=listening, backlog=BACKLOG))
            self.token_path = endpoint.token_path
        servers.append(await loop.create_unix_server(partial(Connection, self, None), sock=endpoint.listen(BACKLOG)))
        return servers

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = loop.time()
            for connection in list(self._connections):
                connection.sweep(now)

    async def _end_connections(self) -> None:
        for connection in list(self._connections):
            connection.end()
        loop = asyncio.get_running_loop()
        until = loop.time() + END_SECONDS
        while self._connections and loop.time() < until:
            await asyncio.sleep(0.01)
        for connection in list(self._connections):
            connection.transport.abort()

    # Called by connections.

    def opened(self, connection: Connection) -> None:
        """Note a new connection. Raises CallError for one refused."""
        around: socket.socket = connection.transport.get_extra_info("socket")
        if around.family == socket.AF_UNIX:
            user = peer_uid(around)
            if user is not None and user != os.geteuid():
                if user not in self._refused_users:
                    self._refused_users.add(user)
                    _log.warning("A connection of user %d was refused: this server is for user %d.", user, os.geteuid())
                raise CallError(NOT_ALLOWED, f"This server is for user {os.geteuid()} alone.")
        strangers = [each for each in self._connections if not each.is_allowed]
        if not connection.is_allowed and len(strangers) >= MAX_STRANGERS:
            strangers[0].hang_up()
            self.closed(strangers[0])  # asyncio calls this only later
        if connection.is_allowed:
            self.check_room()
        self._connections[connection] = None

    def check_room(self) -> None:
        """Raise CallError if there is no room for another connection."""
        if sum(each.is_allowed for each in self._connections) >= MAX_CONNECTIONS:
            raise CallError(NOT_ALLOWED, f"There are {MAX_CONNECTIONS} connections already.")

    def closed(self, connection: Connection) -> None:
        """Forget a closed connection."""
        self._connections.pop(connection, None)
        self.events.forget(connection)


class _Auth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: str = ""


def _authenticate(params: object, caller: Connection) -> object:
    caller.authenticate(bind(params, _Auth).token)
    return {"success": True}


def _closed_door(_params: object, _caller: Connection) -> object:
    raise CallError(NOT_ALLOWED, "The first call must be auth, with the token.")


def _loopback(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        listening.close()
        raise ServerError(
            f"127.0.0.1:{port}: {error.strerror}", hint="Name another port, or 0 for a free one."
        ) from error
    return listening
