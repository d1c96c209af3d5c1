"""Logs compressed by zstandard: Codex compresses rollouts older than a week."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from budgauge.files.tail import BLOCK_BYTES
from budgauge.sources.tail import MAX_LINE_BYTES, open_log

_CHUNK_BYTES = 1 << 16

# Both kinds of decompressor have `decompress`, `eof` and `unused_data`, and no type in common.
if sys.version_info >= (3, 14):
    from compression import zstd

    def _decompressor() -> Any:
        return zstd.ZstdDecompressor()

    _Damaged: type[Exception] = zstd.ZstdError
else:
    import zstandard

    def _decompressor() -> Any:
        return zstandard.ZstdDecompressor().decompressobj()

    _Damaged = zstandard.ZstdError


def unpacked(path: Path) -> Iterator[bytes]:
    """Yield a compressed log's whole lines in blocks. Raises OSError, also for a damaged or cut file."""
    rest = b""
    for data in _joined(_plain(path)):
        data = rest + data
        end = data.rfind(b"\n") + 1
        if end:
            yield data[:end]
        rest = data[end:]
        if len(rest) > MAX_LINE_BYTES:
            raise OSError(f"holds a line longer than {MAX_LINE_BYTES} bytes")


def _joined(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Join chunks to larger pieces."""
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size >= BLOCK_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    yield b"".join(parts)


def _plain(path: Path) -> Iterator[bytes]:
    with os.fdopen(open_log(path), "rb") as file:
        unpacker, begun = _decompressor(), False
        while chunk := file.read(_CHUNK_BYTES):
            try:
                yield unpacker.decompress(chunk)
                begun = True
                while unpacker.eof:
                    more, unpacker, begun = unpacker.unused_data, _decompressor(), False
                    if not more:
                        break
                    yield unpacker.decompress(more)
                    begun = True
            except _Damaged as error:
                raise OSError(f"is damaged: {error}") from error
        if begun:
            raise OSError("is damaged: it was cut short")
