"""The address of a server: a Unix socket, or loopback TCP with a token."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec

from budgauge.errors import ServerError
from budgauge.rpc.endpoint import socket_path


class Address(msgspec.Struct, frozen=True):
    """The address of a server."""

    path: str = ""
    """The socket's path; empty for TCP."""
    host: str = ""
    port: int = 0
    token: str = ""

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"

    def check_private(self) -> None:
        """Raise ServerError if another user could have put the socket there, and would read the calls."""
        try:
            folder = os.stat(Path(self.path).parent)
            found = os.lstat(self.path)
        except OSError:
            return  # connecting says what is wrong
        if folder.st_uid not in (os.geteuid(), 0) or found.st_uid not in (os.geteuid(), 0):
            raise ServerError(f"{self.path}: belongs to another user", hint="Name the socket of your own server.")
        if folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not folder.st_mode & stat.S_ISVTX:
            raise ServerError(
                f"{self.path}: others can change its folder", hint="Take the right away: chmod go-w on the folder."
            )


def find_address(
    config: str | None, ledger: str | None, socket: str | os.PathLike[str] | None, tcp: str | None, token: str | None
) -> Address:
    """Return the named address, else the socket of the ledger's server. Raises ConfigError, ServerError."""
    if tcp is not None:
        host, _, port = tcp.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ServerError(f"tcp {tcp!r} is not an address", hint='Name it as in tcp="127.0.0.1:8765".')
        if not token:
            raise ServerError("tcp needs the token", hint="Give token=, the content of the file that `serve` names.")
        return Address(host=host, port=int(port), token=token)
    if socket is not None:
        return Address(path=os.fspath(socket))
    from budgauge.config.load import Options, load

    path = load(Options(config=config, ledger=ledger)).ledger.path
    try:
        return Address(path=os.fspath(socket_path(path)))
    except OSError as error:
        raise ServerError(
            f"no private folder for sockets: {error}", hint="Set XDG_RUNTIME_DIR to a folder of yours (0700)."
        ) from error
