"""The ledger is moved, cut, replaced and locked away: what is shown is soon what a fresh reading says."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from budgauge.accounting.codec import encode
from budgauge.errors import LedgerError
from budgauge.views.live import View
from faults.folded import fresh_reader
from faults.following import Screen
from usage import line, usage

numbers = itertools.count(1)


def new_lines(chance: random.Random) -> bytes:
    """Lines that no ledger held before."""
    return b"".join(encode(usage(f"agent-{chance.randrange(5)}", next(numbers), 1)) for _ in range(3))


def clear(path: Path) -> None:
    """Let nothing stand at a path."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def append(path: Path, chance: random.Random) -> None:
    if not path.is_file() or path.is_symlink():
        clear(path)
    with path.open("ab") as file:
        file.write(new_lines(chance))


def rename_away(path: Path, chance: random.Random) -> None:
    append(path, chance)
    os.replace(path, path.with_suffix(".1"))


def rename_and_begin_anew(path: Path, chance: random.Random) -> None:
    rename_away(path, chance)
    path.write_bytes(new_lines(chance))


def truncate(path: Path, chance: random.Random) -> None:
    append(path, chance)
    os.truncate(path, chance.choice([0, chance.randrange(path.stat().st_size)]))


def copy_and_truncate(path: Path, chance: random.Random) -> None:
    """As logrotate does; then it grows past where it was."""
    append(path, chance)
    size = path.stat().st_size
    shutil.copy(path, path.with_suffix(".1"))
    os.truncate(path, 0)
    while path.stat().st_size <= size:
        append(path, chance)


def delete(path: Path, _chance: random.Random) -> None:
    clear(path)


def delete_and_recreate(path: Path, chance: random.Random) -> None:
    clear(path)
    path.write_bytes(new_lines(chance))


def replace_atomically(path: Path, chance: random.Random) -> None:
    clear(path) if path.is_dir() else None
    path.with_suffix(".tmp").write_bytes(new_lines(chance))
    os.replace(path.with_suffix(".tmp"), path)


def swap_for_a_link(path: Path, chance: random.Random) -> None:
    """Also to a ledger that could be read, which is not followed."""
    clear(path)
    path.with_suffix(".real").write_bytes(new_lines(chance))
    path.symlink_to(path.with_suffix(".real" if chance.random() < 0.7 else ".nowhere"))


def replace_by_a_folder(path: Path, _chance: random.Random) -> None:
    clear(path)
    path.mkdir()


def replace_by_a_fifo(path: Path, _chance: random.Random) -> None:
    clear(path)
    os.mkfifo(path)


def replace_folder(path: Path, chance: random.Random) -> None:
    """The whole folder, by another of its name."""
    aside = path.parent.with_name("aside")
    shutil.rmtree(aside, ignore_errors=True)
    os.rename(path.parent, aside)
    path.parent.mkdir()
    path.write_bytes(new_lines(chance))


CHANGES: list[Callable[[Path, random.Random], None]] = [
    append,
    rename_away,
    rename_and_begin_anew,
    truncate,
    copy_and_truncate,
    delete,
    delete_and_recreate,
    replace_atomically,
    swap_for_a_link,
    replace_by_a_folder,
    replace_by_a_fifo,
    replace_folder,
]


MOST_LOOKS = 1
"""The first look that begins after a change shows it; one begins at least every second."""


def is_true(view: View, ledger: Path) -> bool:
    """Does it show what a fresh reading of the path says, or that it cannot be read?"""
    try:
        reader = fresh_reader(ledger)
    except LedgerError as error:
        return view.ledger_trouble == str(error)
    spent = {agent: total for agent, (total, _) in reader.totals.at(0).spent.items()}
    shown = (view.ledger_trouble, view.ledger_exists, view.snapshot.agent_totals, view.snapshot.total_used)
    return shown == (None, reader.exists, spent, sum(spent.values()))


def test_what_is_true_is_shown_at_the_first_look(
    tmp_path: Path, sized: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    rounds, chance = sized(12, 200), random.Random(1)
    ledger = tmp_path / "folder" / "token_usage.jsonl"
    ledger.parent.mkdir()
    ledger.write_bytes(line())
    with Screen(ledger=ledger) as screen:
        for number in range(rounds):
            # Each in turn, then in any order.
            change = CHANGES[number] if number < len(CHANGES) else chance.choice(CHANGES)
            change(ledger, chance)
            screen.until(lambda view: is_true(view, ledger))
            if chance.random() < 0.5:
                append(ledger, chance)
                screen.until(lambda view: is_true(view, ledger))
    figure(
        f"rotation: {rounds} rounds of {len(CHANGES)} kinds, display = truth within {screen.most_looks} looks "
        f"at most, {len(screen.seen):,} views"
    )
    assert screen.most_looks <= MOST_LOOKS


_AS_NOBODY = """
import json, os, random, sys
from pathlib import Path
sys.path[:0] = sys.argv[1:2]
import tempfile, watchfiles._rust_notify, budgauge.files.cache, budgauge.files.watch, budgauge.monitor.feed
budgauge.files.cache.cache_folder()  # loads what an ordinary user may not be able to read here
from faults.following import Screen
from faults.test_rotation import append, is_true
os.environ["HOME"] = sys.argv[2]
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
os.chdir(sys.argv[2])
ledger, chance = Path(sys.argv[2], "token_usage.jsonl"), random.Random(2)
append(ledger, chance)
hidden = 0
with Screen(ledger=ledger) as screen:
    for number in range(int(sys.argv[3])):
        place = (ledger, ledger.parent)[number % 2]
        mode = place.stat().st_mode
        place.chmod(0)
        try:
            screen.until(lambda view: view.ledger_trouble is not None and is_true(view, ledger))
            hidden += 1
        finally:
            place.chmod(mode)
        append(ledger, chance)
        screen.until(lambda view: view.ledger_trouble is None and is_true(view, ledger))
print(json.dumps([hidden, screen.most_looks]))
"""


def test_a_ledger_that_may_not_be_read_is_said_and_comes_back(
    sized: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    """As an ordinary user, because root may read everything."""
    rounds = sized(4, 40)
    with tempfile.TemporaryDirectory(prefix="budgauge-") as folder:
        if os.getuid() == 0:
            os.chown(folder, 65534, 65534)
        tests = str(Path(__file__).parent.parent)
        command = [sys.executable, "-W", "error", "-c", _AS_NOBODY, tests, folder, str(rounds)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    hidden, most_looks = json.loads(result.stdout)
    assert hidden == rounds
    assert most_looks <= MOST_LOOKS
    figure(f"rotation: {rounds} times a ledger or its folder with mode 000, said so within {most_looks} looks")
