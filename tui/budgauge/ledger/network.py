"""Network file systems: their locks and appends do not hold, so a ledger there is not written to.

Windows' drives under WSL are among them: until locks are shown to hold there, they count as such.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from budgauge.errors import LedgerRefusedError

FORCE = "CODEX_TOKEN_NETWORK_LEDGER"
"""Set to 1, this variable forces it."""
_NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "lustre", "gpfs", "beegfs", "glusterfs"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse", "fuse.davfs"),
        # Windows' drives under WSL 2 and WSL 1; 9p is also how virtual machines share folders of their host.
        *("9p", "drvfs"),
    }
)
_SHARED_BY_WSL = "virtiofs"
"""How WSL 2 can mount Windows' drives as well. Elsewhere it may be a local disk."""
_MOUNTS = Path("/proc/self/mountinfo")
_KERNEL = Path("/proc/sys/kernel/osrelease")


class Mount(NamedTuple):
    """A mounted file system, as Linux describes one."""

    kind: str
    source: str


def mounted(device: int) -> Mount | None:
    """The file system with this device number, where Linux tells."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in _text(_MOUNTS).split("\n"):
        fields = line.split()
        if len(fields) > 2 and fields[2] == wanted and "-" in fields:
            kind, source, *_ = (*fields[fields.index("-") + 1 :], "", "")
            return Mount(kind, source)
    return None


def device_at(path: Path) -> int:
    """Return the device of the file or folder at a path, or of the nearest folder above. Raises OSError."""
    return next(place for place in (path, *path.parents) if place.exists()).stat().st_dev


def network_kind(device: int) -> str | None:
    """Return the kind of a file system on another machine, or of Windows under WSL; None for others."""
    mount = mounted(device)
    if mount is None:
        return None
    return mount.kind if mount.kind in _NETWORK or _is_windows_drive(mount) else None


def _is_windows_drive(mount: Mount) -> bool:
    """Return True for a file system shared from Windows by WSL without a kind of its own."""
    return mount.kind == _SHARED_BY_WSL and (
        mount.source.startswith("drvfs") or "microsoft" in _text(_KERNEL).casefold()
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def check_is_local(path: Path, device: int) -> None:
    """Raise LedgerRefusedError for a ledger on a network file system, unless forced."""
    if os.environ.get(FORCE) == "1":
        return
    kind = network_kind(device)
    if kind is not None:
        raise LedgerRefusedError(
            f"{path}: lies on a network file system ({kind}), where locks do not hold the budget",
            hint=f"Name a ledger on a local disk; or, if you know that locks work there, set {FORCE}=1.",
        )
