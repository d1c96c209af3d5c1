"""A log that its agent has compressed: zstandard, which Codex makes of rollouts older than a week."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from budgauge.sources.block import BLOCK_BYTES, MAX_LINE_BYTES, Block, open_log

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


def unpacked(path: Path) -> Iterator[Block]:
    """Its whole lines in blocks. Raises OSError, also where it is damaged or was cut short."""
    held = b""
    for data in _joined(_plain(path)):
        data = held + data
        end = data.rfind(b"\n") + 1
        if end:
            yield data, end
        held = data[end:]
        if len(held) > MAX_LINE_BYTES:
            raise OSError(f"holds a line longer than {MAX_LINE_BYTES} bytes")


def _joined(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same in larger pieces."""
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
                    rest, unpacker, begun = unpacker.unused_data, _decompressor(), False
                    if not rest:
                        break
                    yield unpacker.decompress(rest)
                    begun = True
            except _Damaged as error:
                raise OSError(f"is damaged: {error}") from error
        if begun:
            raise OSError("is damaged: it was cut short")
