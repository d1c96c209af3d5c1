"""Network file systems: their locks and appends do not hold, so a ledger there is not written to."""

from __future__ import annotations

import os
from pathlib import Path

from budgauge.errors import LedgerRefusedError

FORCE = "CODEX_TOKEN_NETWORK_LEDGER"
"""Set to 1, this variable forces it."""
_NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "lustre", "gpfs", "beegfs", "glusterfs"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse", "fuse.davfs"),
    }
)
_MOUNTS = Path("/proc/self/mountinfo")


def file_system(device: int) -> str | None:
    """The kind of the file system with this device number, where Linux tells."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return None
    for line in lines:
        fields = line.split()
        if len(fields) > 2 and fields[2] == wanted and "-" in fields:
            return fields[fields.index("-") + 1]
    return None


def network_kind(device: int) -> str | None:
    """The kind of file system if it is one that lies on another machine."""
    kind = file_system(device)
    return kind if kind in _NETWORK else None


def check_is_local(path: Path, fd: int) -> None:
    """LedgerRefusedError if an open ledger lies on a network file system, unless it is forced."""
    if os.environ.get(FORCE) == "1":
        return
    kind = network_kind(os.fstat(fd).st_dev)
    if kind is not None:
        raise LedgerRefusedError(
            f"{path}: lies on a network file system ({kind}), where locks do not hold the budget",
            hint=f"Name a ledger on a local disk; or, if you know that locks work there, set {FORCE}=1.",
        )
