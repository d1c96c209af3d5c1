"""File systems whose locks do not hold the budget: named, and refused unless that is forced."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from budgauge.config import BudgetConfig
from budgauge.errors import LedgerRefusedError
from budgauge.ledger import network
from budgauge.tracker.tracker import TokenBudgetTracker

WSL = "6.6.114.1-microsoft-standard-WSL2\n"
LINUX = "6.18.44-generic\n"
MountedAs = Callable[..., None]


@pytest.fixture
def mounted_as(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MountedAs:
    """Lets the test's own folder be a mount of another kind."""
    mounts, kernel = tmp_path / "mountinfo", tmp_path / "osrelease"
    monkeypatch.setattr(network, "_MOUNTS", mounts)
    monkeypatch.setattr(network, "_KERNEL", kernel)
    device = tmp_path.stat().st_dev

    def mount(fields: str, release: str = LINUX) -> None:
        place = f"{os.major(device)}:{os.minor(device)}"
        mounts.write_text(f"36 35 0:1 / / rw - ext4 /dev/sdc rw\n37 36 {place} / /mnt/c rw,noatime - {fields}\n")
        kernel.write_text(release)

    return mount


REFUSED = [
    ("9p C:\\134 rw,aname=drvfs;path=C:\\;uid=1000,cache=5,access=client,trans=fd,rfd=6,wfd=6", WSL, "9p"),
    ("9p drvfs rw,dirsync,aname=drvfs;path=C:\\,trans=virtio", WSL, "9p"),
    ("9p host rw,trans=virtio", LINUX, "9p"),
    ("drvfs C: rw,noatime", "4.4.0-19041-Microsoft\n", "drvfs"),
    ("virtiofs drvfsC0 rw", LINUX, "virtiofs"),
    ("virtiofs 5fd2a1de-3c7e-4e0a-9f57-6f9fd3e1a3b1 rw", WSL, "virtiofs"),
    ("nfs4 host:/home rw", LINUX, "nfs4"),
]


@pytest.mark.parametrize(("fields", "release", "kind"), REFUSED)
def test_nothing_is_recorded_or_admitted_where_locks_may_not_hold(
    ledger: Path, mounted_as: MountedAs, monkeypatch: pytest.MonkeyPatch, fields: str, release: str, kind: str
) -> None:
    mounted_as(fields, release)
    tracker = TokenBudgetTracker(BudgetConfig(), ledger=ledger.parent / "new" / ledger.name)
    for act in (lambda: tracker.check("a"), lambda: tracker.report_usage("a", "m", 1, 0), lambda: tracker.check("a")):
        with pytest.raises(LedgerRefusedError, match=rf"lies on a network file system \({kind}\)") as refused:
            act()
        assert "Name a ledger on a local disk" in str(refused.value.hint)
    monkeypatch.setenv(network.FORCE, "1")
    assert tracker.check("a") is None
    assert tracker.report_usage("a", "m", 1, 0)


@pytest.mark.parametrize(
    ("fields", "release"),
    [
        ("ext4 /dev/sdc rw", WSL),
        ("virtiofs myfs rw", LINUX),
        ("btrfs /dev/vda rw", LINUX),
        ("overlay overlay rw", WSL),
        ("ext4", LINUX),
        ("", LINUX),
    ],
)
def test_a_local_disk_is_used(ledger: Path, mounted_as: MountedAs, fields: str, release: str) -> None:
    mounted_as(fields, release)
    assert TokenBudgetTracker(BudgetConfig(), ledger=ledger).report_usage("a", "m", 1, 0)


def test_where_the_system_tells_nothing_the_ledger_is_used(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_MOUNTS", ledger.parent / "missing")
    monkeypatch.setattr(network, "_KERNEL", ledger.parent / "missing")
    assert TokenBudgetTracker(BudgetConfig(), ledger=ledger).report_usage("a", "m", 1, 0)
