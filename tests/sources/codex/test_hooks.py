"""Codex's config.toml: in whatever way its hooks are laid out, only ours come and go."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomli
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from budgauge.errors import ConfigError
from budgauge.sources.hook_settings import installed
from budgauge.sources.settings.entry import EVENTS
from sources.settings.layout import (
    HOOKS,
    OLDER,
    OURS,
    REST,
    TOML,
    TOMLS,
    after_install,
    after_uninstall,
    check_round_trip,
    put,
)


def test_a_missing_codex_config_gets_a_section_for_each_event(path: Path) -> None:
    change = installed("codex", path, OURS)
    assert change.before == ""
    assert change.after.startswith(
        f'[[hooks.UserPromptSubmit]]\n[[hooks.UserPromptSubmit.hooks]]\ntype = "command"\ncommand = "{OURS}"\n'
        "timeout = 10\n\n[[hooks.PreToolUse]]\n"
    )
    assert change.after.endswith("timeout = 10\n")
    hook = {"type": "command", "command": OURS, "timeout": 10}
    assert tomli.loads(change.after) == {"hooks": {event: [{"hooks": [hook]}] for event in EVENTS["codex"]}}


def test_what_was_set_about_our_entry_is_kept_when_its_path_changes(path: Path) -> None:
    text = f'[[hooks.Stop]]\n[[hooks.Stop.hooks]]\ncommand = "{OLDER}" # ours\ntimeout = 30\ntype = "command"\n'
    assert text.replace(OLDER, OURS) in after_install("codex", path, text)


def test_other_hooks_in_our_group_stay_in_toml(path: Path) -> None:
    other = '[[hooks.Stop.hooks]]\ntype = "command"\ncommand = "x" # mine\n'
    ours = f'[[hooks.Stop.hooks]]\ntype = "command"\ncommand = "{OURS}"\n[hooks.Stop.hooks.extra]\na = 1\n'
    text = f"[[hooks.Stop]]\n# mine\n{other}{ours}# of z\n[z]\n\n[[hooks.Stop]]\n{ours}# end\n"
    assert after_uninstall("codex", path, text) == f"[[hooks.Stop]]\n# mine\n{other}# of z\n[z]\n# end\n"


def test_other_hooks_in_an_inline_group_stay(path: Path) -> None:
    ours = f'{{type = "command", command = "{OURS}"}}'
    text = (
        f'[[hooks.Stop]]\nhooks = [{ours}, {{type = "command", command = "x"}}] # c\n[[hooks.Stop]]\nhooks=[{ours}]\n'
    )
    after = after_uninstall("codex", path, text)
    assert after == '[[hooks.Stop]]\nhooks = [{type = "command", command = "x"}] # c\n'


def test_groups_whose_hooks_stand_after_another_events_group_are_told_apart(path: Path) -> None:
    ours = f'[[hooks.Stop.hooks]]\ntype = "command"\ncommand = "{OURS}"\n'
    other = '[[hooks.Stop.hooks]]\ntype = "command"\ncommand = "x"\n'
    text = f'[[hooks.Stop]]\n{ours}[[hooks.PreToolUse]]\nmatcher = "Bash"\n{other}'
    assert after_uninstall("codex", path, text) == text.replace(ours, "")


def test_an_inline_event_that_is_emptied_goes_and_the_next_is_edited_too(path: Path) -> None:
    ours, other = f'{{type = "command", command = "{OURS}"}}', '{type = "command", command = "x"}'
    text = f"hooks = {{ PreToolUse = [{{hooks = [{ours}]}}], Stop = [{{hooks = [{ours}, {other}]}}] }}\n"
    assert tomli.loads(after_uninstall("codex", path, text)) == tomli.loads(f"hooks.Stop = [{{hooks = [{other}]}}]")


@pytest.mark.parametrize(
    "text",
    [
        f'[[hooks.Start]]\n[[hooks.Start.hooks]]\ntype = "command"\ncommand = "{OLDER}"\n',
        f'[hooks]\nStart = [{{hooks = [{{type = "command", command = "{OLDER}"}}]}}]\n',
    ],
)
def test_ours_at_an_event_that_is_no_longer_asked_for_stays_until_uninstall(text: str, path: Path) -> None:
    after = after_install("codex", path, text)
    assert after.startswith(text)
    assert OLDER not in after_uninstall("codex", path, after)


def test_what_the_agent_wrote_after_ours_stays(path: Path) -> None:
    state = '\n[hooks.state."x"]\ntrusted_hash = "1"\n'
    text = after_install("codex", path, TOML) + state
    assert after_uninstall("codex", path, text) == TOML + state


def test_a_table_where_a_groups_list_of_hooks_should_be_is_left(path: Path) -> None:
    text = f'[[hooks.Stop]]\n[hooks.Stop.hooks]\ntype = "command"\ncommand = "{OURS}"\n'
    after = after_install("codex", path, text)
    assert after.startswith(f"{text}\n[[hooks.UserPromptSubmit]]\n")
    assert after_uninstall("codex", path, after) == text


def test_a_config_that_tomlkit_cannot_take_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise tomlkit.exceptions.KeyAlreadyPresent("a")

    monkeypatch.setattr(tomlkit, "parse", fail)
    with pytest.raises(ConfigError, match="nothing was changed"):
        installed("codex", put(path, TOMLS["inline"]), OURS)


def test_tomlkit_is_loaded_only_when_a_config_is_edited() -> None:
    code = "import sys, budgauge.sources.settings; sys.exit('tomlkit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Any config


def toml_value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml_key(key)} = {toml_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value % 1000)
    return toml_key(value) if isinstance(value, str) else json.dumps(value or False)


def toml_key(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_group(event: str, group: dict[str, Any], is_inline: bool) -> str:
    matcher = f"matcher = {toml_value(group['matcher'])} # m\n" if "matcher" in group else ""
    if is_inline:
        return f"[[hooks.{event}]] # g\n{matcher}hooks = {toml_value(group['hooks'])}\n"
    pairs = ["".join(f"{toml_key(key)} = {toml_value(it)}\n" for key, it in hook.items()) for hook in group["hooks"]]
    return f"[[hooks.{event}]]\n{matcher}" + "".join(f"[[hooks.{event}.hooks]]\n{it}# h\n" for it in pairs)


@st.composite
def config_texts(draw: st.DrawFn) -> str:
    own, rest = draw(HOOKS), draw(REST)
    tables = draw(st.dictionaries(st.sampled_from(["t", '"x y"', "u.v", "hooks.state"]), REST, max_size=3))
    root = "".join(f"{toml_key(key)} = {toml_value(value)} # r\n" for key, value in rest.items())
    root = "" if {"t", "x y", "u"} & set(rest) else root
    parts = [
        f"[{name}]\n" + "".join(f"{toml_key(k)} = {toml_value(v)}\n" for k, v in t.items())
        for name, t in tables.items()
    ]
    layout = draw(st.sampled_from(["sections", "inline groups", "arrays", "inline"]))
    if layout in ("sections", "inline groups"):
        for event, groups in own.items():
            parts += [toml_group(event, group, layout == "inline groups") for group in groups]
    elif layout == "arrays":
        parts.insert(0, "[hooks]\n" + "".join(f"{event} = {toml_value(groups)}\n" for event, groups in own.items()))
    else:
        parts = [f"hooks = {toml_value(own)}\n", *(part for part in parts if not part.startswith("[hooks.state]"))]
    text = root + draw(st.sampled_from(["", "\n", "\n# c\n"])).join(parts)
    text = text.removesuffix("\n") if draw(st.booleans()) else text
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


@given(config_texts())
def test_any_toml_config_comes_back(text: str) -> None:
    tomli.loads(text)
    check_round_trip("codex", text)
