"""`budgauge doctor`: what is well, what is not, and what to do about it."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from budgauge.accounting.codec import encode
from budgauge.accounting.records import Release, Reset, UndoReset
from budgauge.cli import cli
from budgauge.doctor import prices, surroundings
from budgauge.ledger import ledger as ledger_module
from budgauge.ledger import network
from budgauge.ledger.ledger import Ledger
from budgauge.pricing.price_book import lookup_in_child
from budgauge.sources.hook_settings import installed
from budgauge.sources.settings.change import write
from usage import line

Doctor = Callable[..., Result]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "token_usage.jsonl"
    path.write_bytes(line())
    path.chmod(0o600)
    return path


@pytest.fixture
def doctor(ledger: Path) -> Doctor:
    return lambda *more: CliRunner().invoke(cli, ["doctor", "--ledger", str(ledger), *more])


def found(result: Result, name: str) -> dict[str, Any]:
    """One finding."""
    (finding,) = [check for check in json.loads(result.stdout)["checks"] if check["name"] == name]
    return dict(finding)


def test_all_is_well(doctor: Doctor, ledger: Path) -> None:
    before = ledger.stat().st_mtime_ns, sorted(os.listdir(ledger.parent))
    result = doctor("--json")
    assert result.exit_code == 0, result.output
    checks = json.loads(result.stdout)["checks"]
    assert [check["name"] for check in checks] == [
        *("config", "ledger", "space", "file system", "watching", "lines", "dates", "lock", "checkpoint", "prices"),
        *("budget", "agents' logs", "gate", "sessions"),
    ]
    assert {check["state"] for check in checks} == {"ok"}
    assert {check["mend"] for check in checks} == {""}
    assert (ledger.stat().st_mtime_ns, sorted(os.listdir(ledger.parent))) == before


def test_no_ledger_is_no_fault_and_none_is_made(doctor: Doctor, ledger: Path) -> None:
    ledger.unlink()
    result = doctor("--json")
    assert result.exit_code == 0, result.output
    assert "no file yet" in found(result, "ledger")["message"]
    assert not ledger.exists()


def test_a_wrong_config_is_an_error_with_its_place(doctor: Doctor, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[token_budget]\ntotal_budget = -1\n")
    result = doctor("--config", str(path), "--json")
    assert result.exit_code == 1
    assert "line 2: token_budget.total_budget = -1" in found(result, "config")["message"]
    path.write_text("[token_budget]\ntotal_budgte = 1\n")
    finding = found(doctor("--config", str(path), "--json"), "config")
    assert (finding["state"], "did you mean total_budget?" in finding["details"][0]) == ("warning", True)


def test_every_line_set_aside_is_told_with_its_number_and_reason(doctor: Doctor, ledger: Path) -> None:
    lines = [line(id="x"), b"junk\n", b"\n", line(id="x", prompt=1), encode(UndoReset(1, "r")), line(), b"{}\n"]
    release = encode(Release(1, "h"))
    ledger.write_bytes(b"".join(lines) + release + encode(Release(2, "h")) + encode(Release(2, "i")) + b"torn")
    finding = found(doctor("--json"), "lines")
    assert (finding["state"], finding["message"]) == ("warning", "5 records, 4 lines skipped")
    starts = [len(b"".join(lines[:number])) for number in range(len(lines))]
    first, *rest = finding["details"]
    assert first.startswith(f"line 2 (byte {starts[1]}): not JSON")
    assert rest == [
        f"line 4 (byte {starts[3]}): its id is known, with other content",
        f"line 5 (byte {starts[4]}): it undoes no reset that could be undone",
        f"line 7 (byte {starts[6]}): Object missing required field `agent_id`",
        "the last line has no end; the next writer ends it",
    ]


def test_records_dated_in_the_future_are_a_warning(doctor: Doctor, ledger: Path) -> None:
    reset = Reset(10**11, "r")
    ledger.write_bytes(line() + encode(reset) + line("late", timestamp=33_000_000_000) + line("late", model="m"))
    finding = found(doctor("--json"), "dates")
    assert finding["state"] == "warning"
    assert "1 reset is dated in the future (5138-11-16)" in finding["message"]
    assert "calls of late are dated in the future (3015-" in finding["message"]
    assert "budgauge reset" in finding["mend"]


def test_people_are_shown_the_first_and_how_many_more(doctor: Doctor, ledger: Path) -> None:
    ledger.write_bytes(line() + b"\x1b]0;pwn\x07[@click=x]\n" * 30)
    result = doctor()
    assert result.exit_code == 0
    assert "and 10 more; all of them: budgauge doctor --json" in result.stdout
    assert not any(sign in result.stdout for sign in "\x1b\x07")
    assert len(found(doctor("--json"), "lines")["details"]) == 30


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b"# Notes\n"), "holds no ledger line"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "is a FIFO"),
        (lambda path: (path.unlink(), path.mkdir()), "is a folder"),
        (lambda path: (path.unlink(), path.symlink_to("/dev/null")), "is a symbolic link"),
    ],
)
def test_what_is_no_ledger_is_an_error(
    doctor: Doctor, ledger: Path, make: Callable[[Path], object], message: str
) -> None:
    make(ledger)
    result = doctor("--json")
    assert result.exit_code == 1
    assert message in found(result, "ledger")["message"]
    assert found(result, "ledger")["mend"]
    assert result.stdout.count(message) == 1


def test_a_ledger_open_to_others_is_a_warning(doctor: Doctor, ledger: Path) -> None:
    ledger.chmod(0o644)
    finding = found(doctor("--json"), "ledger")
    assert (finding["state"], finding["mend"]) == ("warning", f"chmod 600 {ledger}")
    assert f"    → chmod 600 {ledger}\n    more: budgauge help files\n" in doctor().stdout


def test_a_lock_that_is_held_is_an_error(doctor: Doctor, ledger: Path) -> None:
    fd = os.open(ledger, os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        result = doctor("--json")
    finally:
        os.close(fd)
    assert result.exit_code == 1
    assert "has held it for a second" in found(result, "lock")["message"]


@pytest.mark.parametrize(("blocks", "inodes", "state"), [(10, 9, "error"), (20_000, 9, "warning"), (10**6, 0, "error")])
def test_little_room_is_told(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, blocks: int, inodes: int, state: str
) -> None:
    class System:
        f_bavail, f_frsize, f_files, f_favail = blocks, 4096, 100, inodes

    monkeypatch.setattr(os, "statvfs", lambda _folder: System)
    assert found(doctor("--json"), "space")["state"] == state


def test_a_network_file_system_is_named(
    doctor: Doctor, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, mounts = ledger.stat().st_dev, tmp_path / "mounts"
    mounts.write_text(f"1 2 {os.major(device)}:{os.minor(device)} / / rw - cifs //host/x rw\n")
    monkeypatch.setattr(network, "_MOUNTS", mounts)
    finding = found(doctor("--json"), "file system")
    assert (finding["state"], finding["message"].partition(":")[0]) == ("error", "cifs")


def test_a_checkpoint_that_no_longer_agrees_is_found(
    doctor: Doctor, ledger: Path, own_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "DUE_BYTES", 1)
    ledger.write_bytes(line("a") + line("b") * 20)
    cache = own_place / ".cache" / "budgauge"
    Ledger(ledger, cache=cache).refresh()
    assert found(doctor("--json"), "checkpoint")["message"].startswith("agrees")
    data = ledger.read_bytes()
    with ledger.open("r+b") as file:
        file.seek(len(line("a")) * 8)
        file.write(line("c"))
    assert len(ledger.read_bytes()) == len(data)
    result = doctor("--json")
    assert result.exit_code == 1
    (path,) = cache.glob("*.fold")
    assert found(result, "checkpoint")["mend"] == f"Remove it: rm {path}"
    path.unlink()
    assert found(doctor("--json"), "checkpoint")["state"] == "ok"


def test_events_that_do_not_arrive_are_a_warning(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "EVENT_SECONDS", 0.05)
    monkeypatch.setattr(surroundings, "watch", lambda folders, stop: iter([frozenset()]))
    finding = found(doctor("--json"), "watching")
    assert (finding["state"], "once a second" in finding["mend"]) == ("warning", True)


def test_models_without_a_price_are_named(doctor: Doctor, ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "lookup_in_child", lookup_in_child)
    ledger.write_bytes(line(model="in-house") + line())
    finding = found(doctor("--json"), "prices")
    assert (finding["state"], finding["details"]) == ("warning", ["in-house"])


def test_a_look_that_fails_is_an_error_found(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_folder: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "statvfs", fail)
    result = doctor()
    assert result.exit_code == 1
    assert "■ error    space        cannot be looked at" in result.stdout


def test_a_checkpoint_is_compared_at_one_place_while_others_write(
    doctor: Doctor, ledger: Path, own_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "DUE_BYTES", 1)
    cache = own_place / ".cache" / "budgauge"
    Ledger(ledger, cache=cache).refresh()
    real, (kept,) = Ledger.refresh, cache.glob("*.fold")
    before, left = kept.read_bytes(), [5]

    def refresh(reader: Ledger, *arguments: Any) -> bool:
        changed = real(reader, *arguments)
        if left[0]:
            left[0] -= 1
            with ledger.open("ab") as file:
                file.write(line("b"))
        return changed

    monkeypatch.setattr(Ledger, "refresh", refresh)
    assert found(doctor("--json"), "checkpoint")["message"].startswith("agrees")
    assert kept.read_bytes() == before


def test_the_probe_never_follows_a_link_nor_leaves_anything(ledger: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"x")
    (tmp_path / f".budgauge-doctor-{os.getpid()}").symlink_to(precious)
    before = sorted(os.listdir(tmp_path))
    assert surroundings.event_seconds(tmp_path) is not None
    assert (precious.read_bytes(), sorted(os.listdir(tmp_path))) == (b"x", before)


def test_a_network_file_system_that_is_forced_is_a_warning(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "network_kind", lambda _device: "nfs4")
    monkeypatch.setenv(network.FORCE, "1")
    assert found(doctor("--json"), "file system")["state"] == "warning"


def test_what_to_type_is_quoted(doctor: Doctor, tmp_path: Path) -> None:
    path = tmp_path / "a $(b).jsonl"
    path.write_bytes(line())
    path.chmod(0o644)
    assert found(doctor("--json", "--ledger", str(path)), "ledger")["mend"] == f"chmod 600 {shlex.quote(str(path))}"


def test_any_exception_of_a_look_is_an_error_found(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_folder: object) -> None:
        raise ValueError("\x1b[2J")

    monkeypatch.setattr(os, "statvfs", fail)
    result = doctor()
    assert (result.exit_code, "\x1b" in result.stdout) == (1, False)
    assert "ValueError" in result.stdout
    assert "prices" in result.stdout


def test_whether_agents_ask_the_gate(doctor: Doctor, own_place: Path) -> None:
    assert "no agent calls it" in found(doctor("--json"), "gate")["message"]
    (own_place / ".codex").mkdir()
    config = own_place / ".codex" / "config.toml"
    config.write_text("[token_budget]\ntotal_budget = 5\n", encoding="utf-8")
    path = own_place / ".claude" / "settings.json"
    path.parent.mkdir()
    write(installed("claude-code", path, f"{sys.executable} -m budgauge hook"))
    finding = found(doctor("--json"), "gate")
    assert (finding["state"], finding["details"]) == ("ok", [f"{path}: claude-code calls at 6 events"])
    for text in ("", "[token_budget]\ntotal_budget = 0\n"):
        config.write_text(text, encoding="utf-8")
        finding = found(doctor("--json"), "gate")
        assert (finding["state"], "no budget and no limit is set" in finding["message"]) == ("warning", True)
    write(installed("claude-code", path, "/gone/budgauge hook"))
    finding = found(doctor("--json"), "gate")
    assert (finding["state"], finding["details"]) == ("error", [f"{path}: /gone/budgauge hook"])
    path.write_text("{", encoding="utf-8")
    assert str(path) in found(doctor("--json"), "gate")["message"]


def test_settings_that_switch_the_gate_off_are_an_error(doctor: Doctor, own_place: Path) -> None:
    disabled = Path(".claude") / "settings.local.json"
    disabled.parent.mkdir()
    disabled.write_text('{"disableAllHooks": true}', encoding="utf-8")
    assert found(doctor("--json"), "gate")["state"] == "ok", "where no agent asks, nothing is switched off"
    write(installed("claude-code", own_place / ".claude" / "settings.json", f"{sys.executable} -m budgauge hook"))
    write(installed("codex", own_place / ".codex" / "config.toml", f"{sys.executable} -m budgauge hook codex"))
    result = doctor("--json")
    finding = found(result, "gate")
    assert (result.exit_code, finding["state"], bool(finding["mend"])) == (1, "error", True)
    untrusted, off = finding["details"]
    assert untrusted.startswith(f"{own_place}/.codex/config.toml: Codex skips these hooks until you trust them")
    assert off == f"{Path.cwd() / disabled}: disableAllHooks is set: no hook is called"


def test_a_command_with_a_mistake_in_it_is_an_error(doctor: Doctor, own_place: Path) -> None:
    path = own_place / ".claude" / "settings.json"
    command = f"{sys.executable} -m budgauge hook claude-code --ledgr /l"
    write(installed("claude-code", path, command))
    finding = found(doctor("--json"), "gate")
    said = f"{path}: the command is not understood, so claude-code is let through: {command}"
    assert (finding["state"], finding["details"]) == ("error", [said])


def test_a_hook_that_is_missing_where_calls_are_refused_is_an_error(doctor: Doctor, own_place: Path) -> None:
    path = own_place / ".claude" / "settings.json"
    write(installed("claude-code", path, f"{sys.executable} -m budgauge hook claude-code"))
    settings = json.loads(path.read_text(encoding="utf-8"))
    pre = settings["hooks"].pop("PreToolUse")
    path.write_text(json.dumps(settings), encoding="utf-8")
    finding = found(doctor("--json"), "gate")
    said = "claude-code does not call at PreToolUse, so nothing is refused there"
    assert (finding["state"], finding["details"]) == ("error", [said])
    local = Path(".claude") / "settings.local.json"
    local.parent.mkdir()
    local.write_text(json.dumps({"hooks": {"PreToolUse": pre}}), encoding="utf-8")
    assert found(doctor("--json"), "gate")["state"] != "error"


def test_a_hook_in_any_of_the_files_counts(doctor: Doctor, own_place: Path) -> None:
    (own_place / "work" / ".git").mkdir()
    paths = [own_place / "work" / ".claude" / name for name in ("settings.local.json", "settings.json")]
    for path in paths:
        write(installed("claude-code", path, f"{sys.executable} -m budgauge hook claude-code"))
    (own_place / "work" / "deep").mkdir()
    os.chdir(own_place / "work" / "deep")
    details = found(doctor("--json"), "gate")["details"]
    assert details == [f"{path}: claude-code calls at 6 events" for path in paths]


def test_calls_that_the_gate_booked_are_not_denied(doctor: Doctor, ledger: Path) -> None:
    assert "none are collected" in found(doctor("--json"), "agents' logs")["message"]
    ledger.write_bytes(line(id="claude-code:m", source="claude-code"))
    assert "imported by the gate" in found(doctor("--json"), "agents' logs")["message"]
