"""Files that can be rebuilt, in the user's cache folder: written whole, and never believed if damaged."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from zlib import adler32, crc32


def cache_folder() -> Path:
    """Where what can be rebuilt is kept."""
    from platformdirs import user_cache_path

    return user_cache_path("budgauge", appauthor=False)


def short_name(text: str) -> str:
    """A file name for any text, the same in every process; 64 bits of it, without the cost of loading hashlib."""
    data = text.encode(errors="surrogatepass")
    return f"{crc32(data):08x}{adler32(data):08x}"


def read_cache(path: Path) -> bytes | None:
    """What `write_cache` wrote; None if there is no such file, it cannot be read or it is damaged."""
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(fd, "rb") as file:
            # Anything but a regular file might never end, or never begin.
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return None
            return verified(file.read())
    except OSError:
        return None


def verified(data: bytes) -> bytes | None:
    """A cache file's content without its checksum, if that is right."""
    checksum, _, content = data.partition(b"\n")
    return content if checksum == _checksum(content) else None


def write_cache(path: Path, content: bytes) -> bool:
    """Put a file in place whole, for its owner alone; False if that failed: it only makes the next start slower."""
    # A name that nobody else takes, without the cost of loading tempfile.
    temporary = f"{path}.{os.urandom(6).hex()}"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    except OSError:
        return False
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(_checksum(content) + b"\n" + content)
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        return False
    return True


def _checksum(content: bytes) -> bytes:
    return b"%08x" % crc32(content)
