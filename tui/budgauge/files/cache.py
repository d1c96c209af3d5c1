"""Files in the user's cache folder, which can be rebuilt: written whole, and read as missing if damaged."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar
from zlib import adler32, crc32

import msgspec

_Value = TypeVar("_Value")


class CacheFile(Generic[_Value]):
    """A value in a cache file. A missing or damaged file, or one of another version, reads as None."""

    def __init__(
        self,
        path: Path,
        decoder: msgspec.msgpack.Decoder[_Value] | msgspec.json.Decoder[_Value],
        version: int | None = None,
    ) -> None:
        """With a `version`, values have a field of this name, which must be equal."""
        self.path = path
        self._decoder = decoder
        self._version = version

    def read(self) -> _Value | None:
        """Return the value; None if the file cannot be used."""
        content = read_cache(self.path)
        if content is None:
            return None
        try:
            value = self._decoder.decode(content)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        return value if self._version is None or getattr(value, "version", None) == self._version else None

    def write(self, value: _Value) -> bool:
        """Keep a value; False if this failed, which only makes the next start slower."""
        is_json = isinstance(self._decoder, msgspec.json.Decoder)
        return write_cache(self.path, msgspec.json.encode(value) if is_json else msgspec.msgpack.encode(value))


def cache_folder() -> Path:
    """Return the user's cache folder."""
    from platformdirs import user_cache_path

    return user_cache_path("budgauge", appauthor=False)


def short_name(text: str) -> str:
    """Return a file name for any text, the same in every process: 64 bits, without the cost of loading hashlib."""
    data = text.encode(errors="surrogatepass")
    return f"{crc32(data):08x}{adler32(data):08x}"


def read_cache(path: Path) -> bytes | None:
    """Return the content written by `write_cache`; None if the file is missing, unreadable or damaged."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            # Anything but a regular file might never end, or never begin.
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return None
            return verified(file.read())
    except OSError:
        return None


def verified(data: bytes) -> bytes | None:
    """Return a cache file's content without its checksum; None if the checksum is wrong."""
    checksum, _, content = data.partition(b"\n")
    return content if checksum == _checksum(content) else None


def write_cache(path: Path, content: bytes) -> bool:
    """Write a file whole, readable by its owner alone; False if that failed."""
    # A name that nobody else takes, without the cost of loading tempfile.
    temporary = f"{path}.{os.urandom(6).hex()}"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
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
