"""The command line: what it prints where, and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from budgauge.cli import cli

Run = Callable[..., Result]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "usage.jsonl"


@pytest.fixture
def run(ledger: Path) -> Run:
    def run(*arguments: str, input: str | None = None) -> Result:
        return CliRunner().invoke(cli, ["--ledger", str(ledger), *arguments], input=input)

    return run


def record(run: Run, agent: str, prompt: int, *more: str, model: str = "gpt-4") -> Result:
    return run("record", "--agent", agent, "--model", model, "--prompt", str(prompt), "--completion", "0", *more)


def status(run: Run) -> dict[str, object]:
    result = run("status", "--json")
    assert result.exit_code == 0, result.output
    fields: dict[str, object] = json.loads(result.stdout)
    return fields


def test_record_counts_and_says_what_is_left(run: Run) -> None:
    result = record(run, "a", 2300)
    assert (result.exit_code, result.stdout) == (0, "recorded 2,300 tokens; 2,300 used, 997,700 left\n")


def test_record_refused_exits_3_with_the_message_on_standard_error(run: Run, ledger: Path) -> None:
    result = record(run, "a", 1_000_001)
    assert (result.exit_code, result.stdout) == (3, "")
    message, hint = result.stderr.splitlines()
    assert message == "budgauge: Total budget of 1000000 tokens would be exceeded (current: 0, requested: 1000001)"
    assert "reset at a billing boundary" in hint
    assert ledger.read_bytes() == b""


CHARGES = ("--service-tier", "priority", "--speed", "fast", "--inference-geo", "us", "--web-searches", "3")


def test_what_a_call_costs_beside_its_tokens_is_recorded(run: Run, ledger: Path) -> None:
    assert record(run, "a", 1000, *CHARGES, "--cached", "400").exit_code == 0
    (written,) = [json.loads(text) for text in ledger.read_text().splitlines() if text]
    charges = {"service_tier": "priority", "speed": "fast", "inference_geo": "us", "web_search_requests": 3}
    assert written.items() >= {**charges, "cached_tokens": 400}.items()


@pytest.mark.parametrize(
    ("model", "options", "usd"),
    [
        ("gpt-5.5", ("--service-tier", "priority"), "0.0125"),
        ("gpt-5.5", ("--service-tier", "flex"), "0.0025"),
        ("gpt-5.5", ("--service-tier", "scale"), None),
        ("claude-opus-4-8", ("--speed", "fast"), "0.01"),
        ("claude-opus-4-8", ("--inference-geo", "us", "--web-searches", "2"), "0.0255"),
    ],
)
def test_a_recorded_call_costs_what_its_tier_costs(
    run: Run, model: str, options: tuple[str, ...], usd: str | None
) -> None:
    assert record(run, "a", 1000, *options, model=model).exit_code == 0
    (row,) = json.loads(run("status", "--json").stdout)["models"]
    assert row["cost_usd"] == usd


@pytest.mark.parametrize("option", ["--service-tier", "--speed", "--inference-geo", "--web-searches"])
def test_a_charge_that_is_none_is_refused(run: Run, ledger: Path, option: str) -> None:
    assert record(run, "a", 1000, option, "-1" if option == "--web-searches" else "\x1b[2J").exit_code == 2
    assert not ledger.exists()


def test_spent_is_recorded_past_the_budget(run: Run) -> None:
    assert record(run, "a", 1_000_001, "--spent").exit_code == 0
    assert status(run)["state"] == "exceeded"


def test_an_id_counts_once_and_other_content_is_refused(run: Run) -> None:
    record(run, "a", 100, "--id", "x")
    again = record(run, "a", 100, "--id", "x")
    assert (again.exit_code, again.stdout) == (0, "already recorded; nothing was added\n")
    other = record(run, "a", 101, "--id", "x")
    assert other.exit_code == 2
    assert "with other content" in other.stderr
    assert status(run)["total_used"] == 100


@pytest.mark.parametrize("agent", ["", "a\x1b[2J", "x" * 129])
def test_record_refuses_names_that_must_not_be_written(run: Run, agent: str) -> None:
    result = record(run, agent, 1)
    assert result.exit_code == 2
    assert "agent_id" in result.stderr
    assert "\x1b" not in result.stderr


def test_check_answers_0_or_3_and_records_nothing(run: Run, ledger: Path) -> None:
    allowed = run("check", "--agent", "a", "--tokens", "1000000")
    assert (allowed.exit_code, allowed.stdout) == (0, "allowed\n")
    refused = run("check", "--agent", "a", "--tokens", "1000001")
    expected = "Total budget of 1000000 tokens would be exceeded (current: 0, requested: 1000001)\n"
    assert (refused.exit_code, refused.stdout) == (3, expected)
    assert not ledger.exists()


def test_check_without_tokens_asks_whether_anything_is_left(run: Run) -> None:
    record(run, "a", 1_000_000)
    assert run("check", "--agent", "a").exit_code == 3


def test_status_json_has_every_public_field(run: Run) -> None:
    record(run, "a", 1000)
    record(run, "b", 500, model="no-such-model")
    fields = status(run)
    assert set(fields) == {
        *("total_budget", "total_used", "remaining_budget", "reserved", "usage_percentage", "warning_threshold"),
        *("state", "agent_totals", "agents", "families", "models", "cost", "since", "reset_id", "ledger", "problems"),
        *("cycle_start", "cycle_end"),
        *("user_budget", "unasked"),
    }
    assert fields["agent_totals"] == {"a": 1000, "b": 500}
    agent_a, agent_b = fields["agents"]  # type: ignore[misc]
    assert set(agent_a) == {
        *("agent_id", "used", "reserved", "limit", "remaining", "usage_percentage", "state", "prompt_tokens"),
        *("completion_tokens", "cached_tokens", "calls", "last_used", "cost_usd"),
    }
    assert Decimal(agent_a["cost_usd"]) == Decimal("0.03")
    assert agent_b["cost_usd"] is None
    assert fields["cost"] == {"total_usd": "0.03", "upper_usd": "0.0345", "budget_usd": "30", "unpriced_tokens": 500}


def test_status_json_is_ascii_whatever_the_names_are(run: Run, ledger: Path) -> None:
    hostile = "\u202eevil\x1b]0;pwn\x07"
    line = {"agent_id": hostile, "model": "m", "prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1}
    ledger.write_text(json.dumps({**line, "timestamp": 1}) + "\n", encoding="utf-8")
    result = run("status", "--json")
    assert result.stdout.isascii()
    assert "\x1b" not in result.stdout
    assert json.loads(result.stdout)["agent_totals"] == {hostile: 1}
    table = run("status").stdout
    assert not any(char in table for char in "\u202e\x1b\x07")


@pytest.mark.parametrize(("prompt", "code"), [(799_999, 0), (800_000, 4), (1_000_000, 3)])
def test_status_exit_code_tells_the_state(run: Run, prompt: int, code: int) -> None:
    record(run, "a", prompt)
    assert run("status", "--exit-code").exit_code == code
    assert run("status").exit_code == 0


def test_status_shows_a_family_as_it_shows_an_agent(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[token_budget.per_agent_limits]\n"a/*" = 1000\n')
    record(run, "a/x", 900)
    record(run, "a/y", 300, "--spent")
    lines = run("status", "--config", str(config)).stdout.splitlines()
    assert "Limit   a/* has nothing left of its limit" in lines
    (heads,) = (line.split() for line in lines if line.startswith("Agent"))
    (family,) = (line.split() for line in lines if line.startswith("a/*"))
    assert dict(zip(heads, family, strict=True)) == {
        "Agent": "a/*",
        "Used": "1,200",
        "Limit": "1,000",
        "Left": "0",
        "Part": "120.0%",
        "State": "exceeded",
        "Calls": "2",
        "Cost": "$0.0360",
    }


def test_status_of_a_folder_is_one_clear_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["status", "--ledger", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is a folder, not a ledger file" in result.stderr


def test_reset_needs_a_terminal_or_yes(run: Run) -> None:
    record(run, "a", 100)
    refused = run("reset")
    assert refused.exit_code == 2
    assert "--yes" in refused.stderr
    assert status(run)["total_used"] == 100


def test_reset_of_everyone_of_one_and_undo(run: Run) -> None:
    record(run, "a", 100)
    record(run, "b", 10)
    assert run("reset", "--agent", "a", "--yes").exit_code == 0
    assert status(run)["agent_totals"] == {"b": 10}
    assert run("reset", "--yes").exit_code == 0
    assert status(run)["total_used"] == 0
    assert run("reset", "--undo").exit_code == 0
    assert run("reset", "--undo").exit_code == 0
    assert status(run)["agent_totals"] == {"a": 100, "b": 10}
    nothing = run("reset", "--undo")
    assert (nothing.exit_code, nothing.stdout) == (1, "")


def test_config_tells_each_value_and_its_origin(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        '[token_budget]\ntotal_budget = 5\n[token_budget.per_agent_limits]\n"a/*" = 3\n', encoding="utf-8"
    )
    monkeypatch.setenv("CODEX_TOKEN_WARNING_THRESHOLD", "70")
    values = json.loads(run("config", "--json", "--config", str(config)).stdout)["values"]
    assert values["total_budget"] == {"value": 5, "origin": f"{config}, line 2"}
    assert values["warning_threshold"] == {"value": 70, "origin": "$CODEX_TOKEN_WARNING_THRESHOLD"}
    assert values['per_agent_limits."a/*"'] == {"value": 3, "origin": f"{config}, line 4"}
    assert values["count"] == {"value": "all", "origin": "default"}
    shown = run("config", "--config", str(config)).stdout
    assert f"{config}, line 2" in shown


def test_a_wrong_value_names_file_line_key_value_and_what_is_allowed(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[token_budget]\n\nwarning_threshold = 180\n", encoding="utf-8")
    result = run("status", "--config", str(config))
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{config}, line 3: token_budget.warning_threshold = 180: must be a number from 0 to 100" in result.stderr


def test_options_after_the_command_win_over_those_before(tmp_path: Path) -> None:
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    arguments = ["--ledger", str(first), "record", "--ledger", str(second), "--agent", "a", "--model", "m"]
    assert CliRunner().invoke(cli, [*arguments, "--prompt", "1", "--completion", "1"]).exit_code == 0
    assert second.exists()
    assert not first.exists()


def test_the_monitor_needs_a_terminal(run: Run) -> None:
    result = run()
    assert result.exit_code == 2
    assert "budgauge status" in result.stderr


def test_version_and_module_agree() -> None:
    shown = subprocess.run([sys.executable, "-m", "budgauge", "--version"], capture_output=True, text=True, check=True)
    from budgauge import __version__

    assert shown.stdout == f"budgauge {__version__}\n"


def test_status_leaves_what_it_does_not_need_unloaded(run: Run, ledger: Path) -> None:
    record(run, "a", 1)
    run("status")
    code = (
        "import sys\nfrom budgauge.cli import cli\n"
        f"cli(['status', '--ledger', {str(ledger)!r}], standalone_mode=False)\n"
        "print([name for name in ('textual', 'rich', 'genai_prices', 'watchfiles', 'asyncio') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "[]"


def test_a_closed_pipe_is_no_traceback(run: Run, ledger: Path) -> None:
    record(run, "a", 1)
    command = f"{sys.executable} -m budgauge status --json --ledger {ledger} | true"
    shown = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in shown.stderr


def shell(command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A shell command, in which `budgauge` is this one."""
    run = f'budgauge() {{ {sys.executable} -m budgauge "$@"; }}; {command}'
    return subprocess.run(["bash", "-c", run], capture_output=True, text=True, check=False, env={**os.environ, **env})


@pytest.mark.parametrize("command", ["reset", "", "demo"])
def test_a_closed_standard_input_is_no_terminal(command: str) -> None:
    shown = shell(f"budgauge {command} <&-")
    assert shown.returncode == 2
    assert "terminal" in shown.stderr
    assert "Traceback" not in shown.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
@pytest.mark.parametrize("command", ["--version", "--help", "status", "status --help", "config"])
def test_a_full_standard_output_is_one_clear_error(command: str) -> None:
    shown = shell(f"budgauge {command} >/dev/full")
    assert (shown.returncode, shown.stderr) == (1, "budgauge: No space left on device\n")


def test_the_first_moment_stands_in_local_time(run: Run, ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    ledger.write_text('{"type":"reset","id":"r","timestamp":0}\n', encoding="utf-8")
    assert "Since   1970-01-01 09:00:00 JST" in run("status").stdout


def test_what_the_encoding_lacks_is_replaced(ledger: Path) -> None:
    line = {"agent_id": "界", "model": "m", "prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1}
    ledger.write_text(json.dumps({**line, "timestamp": 1}) + "\n", encoding="utf-8")
    shown = shell(f"budgauge status --ledger {ledger}", PYTHONIOENCODING="latin-1")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "\n?" in shown.stdout


@pytest.mark.parametrize("option", ["--ledger", "--config"])
@pytest.mark.parametrize("after", [True, False])
def test_an_empty_name_is_not_taken_for_none(option: str, after: bool) -> None:
    arguments = ["status", option, ""] if after else [option, "", "status"]
    result = CliRunner().invoke(cli, arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{option} is empty" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "\x1b]0;p\a"),
        ("\x1b]0;p\a",),
        ("--\x1b[2J",),
        ("collect", "\x1b[2J"),
        ("check", "--tokens", "\x1b[2J"),
    ],
)
def test_wrong_usage_is_shown_safely(arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*arguments])
    assert result.exit_code == 2
    assert "\x1b" not in result.stderr
    assert "\a" not in result.stderr


def test_what_to_do_about_the_ledger_is_told(tmp_path: Path) -> None:
    message, hint = CliRunner().invoke(cli, ["status", "--ledger", str(tmp_path)]).stderr.splitlines()
    assert "is a folder" in message
    assert "--ledger FILE" in hint


def test_check_does_not_say_yes_where_nothing_can_be_recorded(run: Run, ledger: Path) -> None:
    ledger.write_bytes(b"# Notes\n")
    result = run("check", "--agent", "a")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "holds no ledger line" in result.stderr


@pytest.mark.parametrize("command", ["check", "record"])
def test_lines_set_aside_are_told_in_one_line(run: Run, ledger: Path, command: str) -> None:
    record(run, "a", 1)
    ledger.write_bytes(ledger.read_bytes() + b"no record\n" * 3)
    result = run("check", "--agent", "a") if command == "check" else record(run, "a", 2)
    assert result.exit_code == 0
    (said,) = result.stderr.splitlines()
    assert said.startswith("budgauge: 3 lines skipped, no record; the first at byte")
    assert said.endswith("budgauge doctor")
