"""A home folder of an earlier version, kept as one JSON file: what lies in it, and what that version says of it.

Its caches hold paths and inodes. Where the home is laid out again they get the present ones, so that a cache is
refused for what it is, and not for where it lies.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import zlib
from pathlib import Path
from typing import Any
from zlib import adler32, crc32

import msgspec

from sources.rollouts import PARENT
from sources.sessions import SESSION

HERE = Path(__file__).parent / "homes"
AT = 1_790_000_000
"""The moment at which every program here believes to run, in unix seconds: 21 September 2026."""
PINNED = f"import runpy, time; time.time = lambda: {AT}.0; runpy.run_module('budgauge', run_name='__main__')"
CACHES = ".cache/budgauge"
CODEX_LEDGER, DATA_LEDGER = ".codex/token_usage.jsonl", ".local/share/budgauge/token_usage.jsonl"
PROJECT_LEDGER = "work/.codex/token_usage.jsonl"
LEDGERS = (CODEX_LEDGER, DATA_LEDGER, PROJECT_LEDGER)
NAMED_BY = ("", " ", f" {PARENT}", f" {SESSION}", " ('monthly', 31)", " ('monthly', 31, 'UTC')")
"""What follows a ledger's path in the text that a cache is named after: nothing, a session, a cycle."""

Step = dict[str, Any]
"""One run of the program: `args`, and where they matter `cwd` below the home and `input`, a value sent as JSON."""


def run(python: str, home: Path, step: Step) -> subprocess.CompletedProcess[str]:
    """Run the program of a Python environment in a home. `HOME` in arguments and input is the home's path."""
    env = {"HOME": str(home), "PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(home / ".cache"), "TZ": "UTC"}
    said = json.dumps(step["input"]).replace("HOME", str(home)) if "input" in step else None
    command = [python, "-c", PINNED, *(text.replace("HOME", str(home)) for text in step["args"])]
    folder = home / step.get("cwd", ".")
    return subprocess.run(command, input=said or "", capture_output=True, text=True, env=env, cwd=folder, timeout=300)


def status(python: str, home: Path, folder: str) -> dict[str, Any]:
    """What `status --json` says in a folder of the home, with the home's path as `HOME`."""
    done = run(python, home, {"args": ["status", "--json"], "cwd": folder})
    assert done.returncode == 0, done.stderr
    shown: dict[str, Any] = json.loads(done.stdout.replace(str(home), "HOME"))
    return shown


def packed(home: Path) -> dict[str, Any]:
    """All that lies in a home."""
    paths = sorted(path for path in home.rglob("*") if path.is_file())
    below = {path.relative_to(home).as_posix(): path for path in paths}
    return {
        "home": str(home),
        "inodes": {str(path.stat().st_ino): name for name, path in below.items() if CACHES not in name},
        "files": {name: path.read_text("utf-8") for name, path in below.items() if _is_text(name)},
        "caches": {
            name: base64.b85encode(zlib.compress(path.read_bytes(), 9)).decode()
            for name, path in below.items()
            if name.startswith(CACHES) and not path.name.startswith("prices-") and path.suffix != ".lock"
        },
    }


def _is_text(name: str) -> bool:
    return not name.startswith(".cache") and not name.endswith(".lock")


def lay_out(kept: dict[str, Any], home: Path) -> None:
    """Put everything in place again, in an empty home.

    A text may be given in parts, each with how often it stands there.
    """
    for name, text in kept["files"].items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            text if isinstance(text, str) else "".join(part * times for part, times in text), encoding="utf-8"
        )
    inodes = {int(inode): (home / name).stat().st_ino for inode, name in kept["inodes"].items()}
    ledgers = [f"/{ledger}{more}" for ledger in LEDGERS for more in NAMED_BY]
    names = {_short(f"{kept['home']}{text}"): _short(f"{home}{text}") for text in ledgers}
    for name, content in kept["caches"].items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        stem = path.stem.partition("-")
        assert stem[2] in names, f"{name}: of what is it the cache?"
        path = path.with_name(f"{stem[0]}-{names[stem[2]]}{path.suffix}")
        path.write_bytes(_moved(zlib.decompress(base64.b85decode(content)), kept["home"], str(home), inodes))


def _moved(cache: bytes, old: str, new: str, inodes: dict[int, int]) -> bytes:
    """A cache file with other paths and inodes."""
    content = cache.partition(b"\n")[2]
    for codec in (msgspec.json, msgspec.msgpack):
        try:
            value = codec.decode(content)
        except (ValueError, msgspec.MsgspecError):
            continue
        content = codec.encode(_replaced(value, old, new, inodes))
        return b"%08x\n" % crc32(content) + content
    return cache


def _replaced(value: Any, old: str, new: str, inodes: dict[int, int]) -> Any:
    if isinstance(value, dict):
        return {_replaced(key, old, new, inodes): _replaced(one, old, new, inodes) for key, one in value.items()}
    if isinstance(value, list):
        return [_replaced(one, old, new, inodes) for one in value]
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, bytes) and value:
        try:  # A cursor holds a position and a parser's state, each packed in itself.
            inner = msgspec.msgpack.decode(value)
        except (ValueError, msgspec.MsgspecError):
            return value
        return msgspec.msgpack.encode(_replaced(inner, old, new, inodes)) if isinstance(inner, list) else value
    return inodes.get(value, value) if type(value) is int else value


def _short(text: str) -> str:
    data = text.encode()
    return f"{crc32(data):08x}{adler32(data):08x}"
