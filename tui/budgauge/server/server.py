"""The RPC server: one ledger's budget for all who connect, in one event loop."""

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
from typing import TypeVar

import msgspec

from budgauge.config.load import Options, load
from budgauge.errors import ServerError
from budgauge.rpc.codes import NOT_ALLOWED
from budgauge.rpc.endpoint import Endpoint, peer_uid
from budgauge.rpc.protocol import CallError, Dispatcher, bind
from budgauge.server.connection import Connection
from budgauge.server.events import Events
from budgauge.server.ledger_work import LedgerWork
from budgauge.server.methods import TokenMethods, error_of
from budgauge.tracker.tracker import TokenBudgetTracker
from budgauge.views.both import BothObserver
from budgauge.views.live import Observer

MAX_CONNECTIONS = 64
MAX_STRANGERS = 16
"""Of those who have not shown the token: they take no place from the others."""
BACKLOG = 128
READ_BYTES = 1 << 16
"""How much of a connection is read at once."""
SWEEP_SECONDS = 1.0
END_SECONDS = 2.0
"""How long the end waits for calls that wait for the ledger."""
_log = logging.getLogger("budgauge")
_Outcome = TypeVar("_Outcome")


class Server:
    """Serves the ledger and the config that the options lead to, until `stop` is called.

    Raises ConfigError, LedgerError, ServerError when it is started.
    """

    def __init__(
        self, options: Options, *, tcp_port: int | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """`tcp_port` is one on loopback to listen at, too; 0 takes a free one."""
        self._options = options
        self._clock = clock
        self._tcp_port = tcp_port
        self._loop: asyncio.AbstractEventLoop | None = None
        self.read_buffer = memoryview(bytearray(READ_BYTES))
        self._connections: dict[Connection, None] = {}
        self._refused_users: set[int] = set()
        self.socket_path: Path | None = None
        self.token_path: Path | None = None
        self.address: tuple[str, int] | None = None
        """Where it listens on loopback, if it does."""

    def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Serve until `stop`; `started` is called once clients can connect."""
        asyncio.run(self._run(started))

    def stop(self) -> None:
        """Answer what was asked, and end; safe from any thread and from signal handlers."""
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._stopped.set)

    async def _run(self, started: Callable[[], None]) -> None:
        self._stopped = asyncio.Event()
        self._loop = loop = asyncio.get_running_loop()
        # The ledger stays, whatever the config says later: it is what clients find the server by.
        ledger = load(self._options).ledger.path
        named = Options(config=self._options.config, ledger=os.fspath(ledger))
        # A project's limits hold for the project's ledger, as long as it is served.
        both = self._options.ledger is None
        observer = (
            BothObserver(named, user_options=self._options, keeps_project=True, clock=self._clock)
            if both
            else Observer(named, keeps_project=True, clock=self._clock)
        )
        authority = observer.both_authorities if isinstance(observer, BothObserver) else observer.authority
        with ExitStack() as ending:
            endpoint = Endpoint(ledger)
            ending.callback(endpoint.leave)
            self._tracker = TokenBudgetTracker(authority=authority, now=self._clock)
            # The long first reading comes before anybody waits for it.
            self._tracker.get_total_used()
            self._work = LedgerWork(authority, loop)
            ending.callback(self._work.close)
            self._events = Events(observer)
            self._set_up(endpoint)
            for server in await self._listen(endpoint, loop):
                ending.callback(server.close)
            ending.callback(self._events.close)
            started()
            sweeping = loop.create_task(self._sweep())
            await self._stopped.wait()
            sweeping.cancel()
            await self._end_connections()

    def _set_up(self, endpoint: Endpoint) -> None:
        tokens = TokenMethods(self._tracker, self._work, self._events.priced, self._events.status, self._events.changed)
        table = {**tokens.table(), "auth": _authenticate}
        self.dispatcher: Dispatcher[Connection] = Dispatcher(table.get, error_of, lambda caller: caller.is_gone)
        self.door: Dispatcher[Connection] = Dispatcher(
            lambda name: _authenticate if name == "auth" else _closed_door, error_of
        )
        self.socket_path = endpoint.socket_path

    async def _listen(self, endpoint: Endpoint, loop: asyncio.AbstractEventLoop) -> list[asyncio.Server]:
        servers = []
        if self._tcp_port is not None:
            # Before anything else: a port may be taken.
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

    # What connections ask.

    def opened(self, connection: Connection) -> CallError | None:
        """Note a connection; why it must go again, if it must."""
        around: socket.socket = connection.transport.get_extra_info("socket")
        if around.family == socket.AF_UNIX:
            user = peer_uid(around)
            if user is not None and user != os.geteuid():
                if user not in self._refused_users:
                    self._refused_users.add(user)
                    _log.warning("A connection of user %d was refused: this server is for user %d.", user, os.geteuid())
                return CallError(NOT_ALLOWED, f"This server is for user {os.geteuid()} alone.")
        strangers = [each for each in self._connections if not each.is_allowed]
        if not connection.is_allowed and len(strangers) >= MAX_STRANGERS:
            strangers[0].hang_up()
            self.closed(strangers[0])  # said by asyncio only later
        try:
            if connection.is_allowed:
                self.check_room()
        except CallError as error:
            return error
        self._connections[connection] = None
        return None

    def check_room(self) -> None:
        """Raises CallError if there are as many connections as there may be."""
        if sum(each.is_allowed for each in self._connections) >= MAX_CONNECTIONS:
            raise CallError(NOT_ALLOWED, f"There are {MAX_CONNECTIONS} connections already.")

    def closed(self, connection: Connection) -> None:
        """It has gone."""
        self._connections.pop(connection, None)
        self._events.forget(connection)

    def subscribe(self, connection: Connection, topics: list[str]) -> list[str]:
        """Tell it of these topics, too; everything that it is told of then."""
        return self._events.subscribe(connection, topics)

    def unsubscribe(self, connection: Connection, topics: list[str]) -> list[str]:
        """Tell it no more of these."""
        return self._events.unsubscribe(connection, topics)

    def present(self) -> bytes:
        """The present state as an event."""
        return self._events.present()


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
