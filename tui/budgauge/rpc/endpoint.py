"""Endpoint of a ledger's server: a socket in a private folder, and the token for TCP."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import stat
import struct
import sys
from contextlib import suppress
from pathlib import Path

from budgauge.errors import ServerError, ServerRunningError
from budgauge.files.runtime import folder_path, name_of, private_folder

_MAX_PATH_BYTES = 103 if sys.platform == "darwin" else 107
_PROBE_SECONDS = 1.0


def socket_path(ledger: Path) -> Path:
    """Return the path of the server's socket, whether a server runs or not."""
    return folder_path() / f"{name_of(ledger)}.sock"


def token_path(ledger: Path) -> Path:
    """Return the path of the token for TCP."""
    return folder_path() / f"{name_of(ledger)}.token"


class Endpoint:
    """The endpoint of a ledger's server, taken: nobody else serves the ledger until `leave`.

    Raises ServerRunningError if another server runs there, ServerError if the endpoint cannot be
    used.
    """

    def __init__(self, ledger: Path) -> None:
        self._identity: tuple[int, int] | None = None
        self._has_token = False
        try:
            self.socket_path = socket_path(ledger)
            self.token_path = token_path(ledger)
            folder = private_folder()
        except OSError as error:
            raise ServerError(
                f"no private folder for the socket: {error}", hint="Set XDG_RUNTIME_DIR to a folder of yours (0700)."
            ) from error
        length = len(os.fsencode(self.socket_path))
        if length > _MAX_PATH_BYTES:
            raise ServerError(
                f"{self.socket_path}: {length} bytes are too long for a socket's path (at most {_MAX_PATH_BYTES})",
                hint="Set XDG_RUNTIME_DIR to a folder with a shorter path.",
            )
        try:
            # The lock is gone with its process, however that ended.
            self._lock = os.open(
                folder / f"{name_of(ledger)}.server", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
            self._take()
        except OSError as error:
            raise ServerError(
                f"{folder}: {error.strerror}", hint="Check the folder, or set XDG_RUNTIME_DIR."
            ) from error

    def _take(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(self._lock, 20, 0).decode("ascii", "replace").strip()
            os.close(self._lock)
            raise self._running(f" (process {pid})" if pid.isdigit() else "") from None
        try:
            if self._answers():
                raise self._running("")
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, b"%d\n" % os.getpid(), 0)
        except BaseException:
            os.close(self._lock)
            raise

    def _running(self, who: str) -> ServerRunningError:
        return ServerRunningError(
            f"a server for this ledger runs already{who}: {self.socket_path}", hint="Use that one, or end it first."
        )

    def _answers(self) -> bool:
        """Return True if a server listens at the path."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_PROBE_SECONDS)
            try:
                probe.connect(os.fspath(self.socket_path))
            except (FileNotFoundError, ConnectionRefusedError):
                return False
            except OSError:
                # A full queue, for one, is a living server's. Anything but a socket fails when it is replaced.
                return stat.S_ISSOCK(os.lstat(self.socket_path).st_mode)
            return True

    def listen(self, backlog: int) -> socket.socket:
        """Return the listening socket, mode 0600; a stale one is replaced. Raises ServerError."""
        path = self.socket_path
        with suppress(FileNotFoundError):
            if not stat.S_ISSOCK(os.lstat(path).st_mode):
                raise ServerError(f"{path}: something that is no socket stands there", hint="Move it away.")
            os.unlink(path)
        listening = socket.socket(socket.AF_UNIX)
        try:
            # Until it listens nobody can connect, so nobody can before the mode is right.
            listening.bind(os.fspath(path))
            os.chmod(path, 0o600)
            listening.listen(backlog)
            status = os.lstat(path)
        except OSError as error:
            listening.close()
            raise ServerError(f"{path}: {error.strerror}", hint="Check it, or set XDG_RUNTIME_DIR.") from error
        self._identity = status.st_dev, status.st_ino
        return listening

    def write_token(self) -> str:
        """Write a new token to a file (0600) and return the token. Raises ServerError."""
        token = secrets.token_urlsafe(32)
        with suppress(FileNotFoundError):
            os.unlink(self.token_path)
        try:
            fd = os.open(self.token_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "w") as file:
                file.write(token + "\n")
        except OSError as error:
            raise ServerError(f"{self.token_path}: {error.strerror}", hint="Check the folder.") from error
        self._has_token = True
        return token

    def leave(self) -> None:
        """Remove our own socket and token. Another server's, made since, stay."""
        with suppress(OSError):
            status = os.lstat(self.socket_path)
            if (status.st_dev, status.st_ino) == self._identity:
                os.unlink(self.socket_path)
        if self._has_token:
            with suppress(OSError):
                os.unlink(self.token_path)
        os.close(self._lock)


def peer_uid(connection: socket.socket) -> int | None:
    """Return the user at the other end of a Unix socket; None where the system cannot tell."""
    if sys.platform == "linux":
        data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", data)[1])
    if sys.platform == "darwin":
        # LOCAL_PEERCRED of SOL_LOCAL gives a struct xucred: version, uid, and groups.
        return int(struct.unpack("=II", connection.getsockopt(0, 1, 76)[:8])[1])
    return None
