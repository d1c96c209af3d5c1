"""Our entries in an agent's settings: put in, found again, taken out, and nothing else touched."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import tomli
import tomlkit
from hypothesis import example, given
from hypothesis import strategies as st

from budgauge import hooks
from budgauge.errors import ConfigError
from budgauge.hooks import EVENTS, Agent, Change, installed, settings_file, uninstalled, write

OURS = "/opt/venv/bin/budgauge hook"
OLDER = "/old/bin/budgauge hook"
BOTH: tuple[Agent, ...] = ("codex", "claude-code")

TOML = '''# My Codex. Änderungen: keine
model = "gpt-5"   # the good one
notify = ["python3", "/home/me/notify.py"]
text = """
[[hooks.Stop]]
# no header, no comment
"""

[[hooks.PreToolUse]]
matcher = "Bash"
[[hooks.PreToolUse.hooks]]
type = "command"
command = "lint.sh"

[projects."/home/me/x"]
trust_level = "trusted" # yes

# the end
'''
TOMLS = {
    "empty": "",
    "newline": "\n",
    "realistic": TOML,
    "no last newline": 'model = "x"',
    "spaces at the end": "a = 1\n\n  ",
    "only a comment": "# nothing yet",
    "crlf": TOML.replace("\n", "\r\n"),
    "crlf, no last newline": "a = 1\r\n[b]\r\nc = 2",
    "bom": "\ufeff" + TOML,
    "inline": 'hooks = { Stop = [{ hooks = [{ type = "command", command = "x" }] }] } # mine\n[z]\na = nan\n',
    "inline, others only": "a = 1\nhooks = {SessionStart=[]}\n",
    "empty inline": "hooks = {} # none\n",
    "arrays": '[hooks]\n# c\nStop = [\n  {hooks = [{type="command",command="x"}]}, # mine\n  # d\n]\nPreToolUse = []\n',
    "array, no last comma": "[hooks]\nStop = [\n    {hooks = []},\n    {matcher = 'x'}\n]\n\n[z]\n",
    "dotted": "hooks.Stop = []\nx = 1\nhooks.SubagentStop = [{}]\n",
    "inline in a group": '[[hooks.Stop]]\nhooks = [{type = "command", command = "x"}]\n[z]\n[[hooks.Stop]]\n',
    "codex's own state": '[hooks.state]\n[hooks.state."/x:stop:0:0"]\ntrusted_hash = "sha256:0"\n',
    "out of order": '[[hooks.Stop]]\n[z]\na = 1.50\n[[hooks.Stop]]\n[[hooks.Stop.hooks]]\ntype = "command"\n[y]\n',
    "padded": "[hooks]\nStop = [ {hooks = []} , {} ] # c\nPreToolUse = [ ]\n[z]\nhooks = 1\n",
    "padded inline": "hooks = {  Stop = [ {} ],  SubagentStop=[{}]  }# c\n",
    "one with a last comma": "[hooks]\nStop = [{} ,] # c\nSubagentStop = [\n  {matcher = 'x'}, # d\n]\n",
    "quoted": '["hooks"]\n["hooks".state]\n["a.b".\'c\']\nx = [\n [1], # ]\n]\n[ z ]\n',
}
JSON = """{
  "permissions": {
    "allow": ["Bash(ls)", "Read(ü)"],
    "number": 1.50, "big": 1e400
  },
  "hooks": {
    "PreToolUse": [
      {
        "matcher": "Bash",
        "hooks": [
          {
            "type": "command",
            "command": "lint \\"ü\\""
          }
        ]
      }
    ]
  },
  "model": "opus"
}
"""
DOCUMENT = json.loads(JSON.replace("1e400", "1e40"))
JSONS = {
    "no members": "{}\n",
    "realistic": JSON,
    "no hooks": '{\n  "a": ["\\u00e9", 1.0]\n}',
    "four": json.dumps(DOCUMENT, indent=4),
    "tabs": json.dumps(DOCUMENT, indent="\t", ensure_ascii=False) + "\n\n",
    "escaped": json.dumps(DOCUMENT, indent=2, ensure_ascii=True),
    "one line": json.dumps(DOCUMENT),
    "tight": json.dumps(DOCUMENT, separators=(",", ":")),
    "tight, no hooks": '{"a":1}',
    "crlf": JSON.replace("\n", "\r\n"),
    "bom": "\ufeff" + JSON,
    "only others": '{\n\t"hooks": {\n\t\t"Notification": []\n\t}\n}\n',
}
CASES = [("codex", text) for text in TOMLS.values()] + [("claude-code", text) for text in JSONS.values()]
cases = pytest.mark.parametrize(("agent", "text"), CASES, ids=[*TOMLS, *(f"json {name}" for name in JSONS)])


def decode(agent: Agent, text: str) -> Any:
    text = text.removeprefix("\ufeff")
    if agent == "codex":
        return tomli.loads(text, parse_float=str)
    return json.loads(text or "{}")


def entries(agent: Agent, text: str, event: str) -> list[dict[str, Any]]:
    return [hook for group in decode(agent, text)["hooks"].get(event, []) for hook in group.get("hooks", [])]


def commands(agent: Agent, text: str, event: str) -> list[str]:
    return [hook["command"] for hook in entries(agent, text, event) if "command" in hook]


def without_ours(groups: Any) -> Any:
    """An event's groups that do not call us; what is no list as it is."""
    return [group for group in groups if OURS not in str(group)] if isinstance(groups, list) else groups


def put(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def after_install(agent: Agent, path: Path, text: str, command: str = OURS) -> str:
    return installed(agent, put(path, text), command).after


def after_uninstall(agent: Agent, path: Path, text: str) -> str:
    return uninstalled(agent, put(path, text)).after


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings"


# Where


@pytest.mark.parametrize(
    ("agent", "env", "expected"),
    [
        ("codex", {"HOME": "/h"}, "/h/.codex/config.toml"),
        ("codex", {"HOME": "/h", "CODEX_HOME": "/c"}, "/c/config.toml"),
        ("claude-code", {"HOME": "/h"}, "/h/.claude/settings.json"),
        ("claude-code", {"HOME": "/h", "CLAUDE_CONFIG_DIR": " , "}, "/h/.claude/settings.json"),
        ("claude-code", {"HOME": "/h", "CLAUDE_CONFIG_DIR": " /a , /b"}, "/a/settings.json"),
        ("claude-code", {"HOME": "/h", "CLAUDE_CONFIG_DIR": "/a/projects/"}, "/a/settings.json"),
        ("claude-code", {"HOME": "/h", "CLAUDE_CONFIG_DIR": "~/a,/b"}, "/h/a/settings.json"),
    ],
)
def test_the_users_file_is_where_the_agent_looks(agent: Agent, env: dict[str, str], expected: str) -> None:
    assert settings_file(agent, env, None) == Path(expected)


def test_a_projects_file_is_in_the_project_whatever_the_environment_says() -> None:
    env = {"HOME": "/h", "CODEX_HOME": "/c", "CLAUDE_CONFIG_DIR": "/a"}
    assert settings_file("codex", env, Path("/p")) == Path("/p/.codex/config.toml")
    assert settings_file("claude-code", env, Path("/p")) == Path("/p/.claude/settings.json")


# Put in


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


def test_missing_claude_settings_get_a_matcher_only_where_there_is_a_tool(path: Path) -> None:
    change = installed("claude-code", path, OURS)
    group = {"hooks": [{"type": "command", "command": OURS, "timeout": 10}]}
    tool = {"matcher": "*", **group}
    expected = {
        "UserPromptSubmit": [group],
        "PreToolUse": [tool],
        "PostToolUse": [tool],
        "SubagentStop": [group],
        "Stop": [group],
    }
    assert change.before == ""
    assert change.after == json.dumps({"hooks": expected}, indent=2) + "\n"


@cases
def test_every_event_gets_ours_once_and_nothing_else_changes(agent: Agent, text: str, path: Path) -> None:
    after = after_install(agent, path, text)
    for event in EVENTS[agent]:
        assert commands(agent, after, event).count(OURS) == 1
        assert {"type": "command", "command": OURS, "timeout": 10} in entries(agent, after, event)
    before, document = decode(agent, text), decode(agent, after)
    assert {**document, "hooks": 0} == {**before, "hooks": 0}
    for event, groups in before.get("hooks", {}).items():
        assert without_ours(document["hooks"][event]) == groups


@cases
def test_ours_that_are_there_are_left(agent: Agent, text: str, path: Path) -> None:
    after = after_install(agent, path, text)
    again = installed(agent, put(path, after), OURS)
    assert again.after == again.before == after
    assert again.diff == ""


@cases
def test_an_older_path_is_replaced_in_place(agent: Agent, text: str, path: Path) -> None:
    older = after_install(agent, path, text, OLDER)
    assert after_install(agent, path, older) == older.replace(OLDER, OURS)


@cases
def test_uninstall_gives_back_the_very_same_bytes(agent: Agent, text: str, path: Path) -> None:
    assert after_uninstall(agent, path, after_install(agent, path, text)) == text


@cases
def test_there_is_nothing_to_take_out_where_nothing_is_ours(agent: Agent, text: str, path: Path) -> None:
    assert after_uninstall(agent, path, text) == text


def test_what_was_set_about_our_entry_is_kept_when_its_path_changes(path: Path) -> None:
    text = f'[[hooks.Stop]]\n[[hooks.Stop.hooks]]\ncommand = "{OLDER}" # ours\ntimeout = 30\ntype = "command"\n'
    assert text.replace(OLDER, OURS) in after_install("codex", path, text)


@pytest.mark.parametrize(
    "command",
    [
        "budgauge hook",
        "'/a b/budgauge' hook",
        "/x/python3.12 -m budgauge hook",
        "budgauge --ledger x hook",
        "'/a&b/budgauge' hook",
    ],
)
@pytest.mark.parametrize("agent", BOTH)
def test_our_command_is_known_in_each_of_its_forms(agent: Agent, command: str, path: Path) -> None:
    text = after_install(agent, path, "", command)
    assert commands(agent, text, "Stop") == [command]
    assert commands(agent, after_install(agent, path, text), "Stop") == [OURS]


@pytest.mark.parametrize(
    "command",
    [
        "mybudgauge hook",
        "budgauge status",
        "budgauge hook && other.sh",
        "echo budgauge hook",
        "budgauge 'hook",
        "python -m other hook",
        "budgauge hook install codex",
        "python3 -m budgauge hook install codex",
        "",
    ],
)
@pytest.mark.parametrize("agent", BOTH)
def test_other_commands_are_not_ours(agent: Agent, command: str, path: Path) -> None:
    groups = {"hooks": {"Stop": [{"hooks": [{"type": "command", "command": command}]}]}}
    toml = f"[[hooks.Stop]]\n[[hooks.Stop.hooks]]\ntype='command'\ncommand={json.dumps(command)}\n"
    text = toml if agent == "codex" else json.dumps(groups)
    assert commands(agent, after_install(agent, path, text), "Stop") == [command, OURS]
    assert after_uninstall(agent, path, text) == text
    with pytest.raises(ConfigError, match="uninstall would find"):
        installed(agent, path, command)


@pytest.mark.parametrize("command", ["budgauge hook\0", "budgauge\nhook", "/\udcff/budgauge hook"])
def test_a_command_that_cannot_be_written_is_refused(command: str, path: Path) -> None:
    with pytest.raises(ConfigError, match="hook command"):
        installed("codex", path, command)


# Take out


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


def test_other_hooks_in_our_group_stay_in_json(path: Path) -> None:
    other = {"type": "command", "command": "x"}
    ours = {"type": "command", "command": OURS}
    document = {"hooks": {"Stop": [{"hooks": [ours, other]}, {"hooks": [ours]}], "SessionEnd": [{"hooks": [ours]}]}}
    after = after_uninstall("claude-code", path, json.dumps(document, indent=2))
    assert after == json.dumps({"hooks": {"Stop": [{"hooks": [other]}]}}, indent=2)


def test_hooks_that_are_no_commands_are_not_ours(path: Path) -> None:
    document = {"hooks": {"Stop": [{"hooks": [{"type": "prompt", "command": OURS}, 3]}, 4, {"hooks": 5}], "X": 6}}
    text = json.dumps(document)
    assert after_uninstall("claude-code", path, text) == text
    assert (
        decode("claude-code", after_install("claude-code", path, text))["hooks"]["Stop"][:3]
        == document["hooks"]["Stop"]
    )


def test_what_the_agent_wrote_after_ours_stays(path: Path) -> None:
    state = '\n[hooks.state."x"]\ntrusted_hash = "1"\n'
    text = after_install("codex", path, TOML) + state
    assert after_uninstall("codex", path, text) == TOML + state


def test_hooks_between_other_members_are_taken_out_with_one_comma(path: Path) -> None:
    ours = json.dumps({"Stop": [{"hooks": [{"type": "command", "command": OURS}]}]})
    assert after_uninstall("claude-code", path, f'{{"a": 1, "hooks": {ours}, "b": 2}}') == '{"a": 1, "b": 2}'
    assert after_uninstall("claude-code", path, f'{{ "hooks": {ours}, "b": 2}}') == '{ "b": 2}'


def test_settings_that_were_missing_are_left_empty(path: Path) -> None:
    assert after_uninstall("codex", path, after_install("codex", path, "")) == ""
    assert after_uninstall("claude-code", path, after_install("claude-code", path, "")) == "{}\n"


# Any settings

WORDS = st.sampled_from(["a", "b.c", "é", "hooks", 'q"', "x#y", "[z]"]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=4
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=6
)
HOOK = st.builds(
    lambda command, extra: {"type": "command", "command": command, **extra},
    st.sampled_from(["lint.sh", "echo budgauge hook", "ü '"]),
    st.sampled_from([{}, {"timeout": 5}, {"x": "[[hooks.Stop]]"}]),
)
GROUP = st.builds(
    lambda matcher, hooks: {**matcher, "hooks": hooks},
    st.sampled_from([{}, {"matcher": "Bash"}, {"matcher": "*"}]),
    st.lists(HOOK, max_size=2),
)
HOOKS = st.dictionaries(st.sampled_from([*EVENTS["codex"], "SessionStart"]), st.lists(GROUP, min_size=1, max_size=3))
REST = st.dictionaries(WORDS.filter(lambda key: key != "hooks"), VALUES, max_size=4)
LAYOUTS = st.sampled_from(
    [{"indent": 2}, {"indent": 4}, {"indent": "\t"}, {"indent": None}, {"separators": (",", ":")}]
)


@st.composite
def settings_texts(draw: st.DrawFn) -> str:
    rest, own = draw(REST), draw(st.none() | HOOKS.filter(bool))
    pairs = draw(st.permutations([*rest.items(), *([("hooks", own)] if own else [])]))
    end = draw(st.sampled_from(["", "\n", "\n\n"]))
    return json.dumps(dict(pairs), ensure_ascii=draw(st.booleans()), **draw(LAYOUTS)) + end


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


def check_round_trip(agent: Agent, text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "settings"
        after = after_install(agent, path, text)
        before, document = decode(agent, text), decode(agent, after)
        assert {**document, "hooks": 0} == {**before, "hooks": 0}
        for event, groups in before.get("hooks", {}).items():
            assert without_ours(document["hooks"][event]) == groups
        assert all(commands(agent, after, event).count(OURS) == 1 for event in EVENTS[agent])
        back = after_uninstall(agent, path, after)
        assert decode(agent, back) == before
        assert back == text


@given(settings_texts())
@example("{}")
def test_any_json_settings_come_back(text: str) -> None:
    check_round_trip("claude-code", text)


@given(config_texts())
def test_any_toml_config_comes_back(text: str) -> None:
    tomli.loads(text)
    check_round_trip("codex", text)


# What cannot be edited


@pytest.mark.parametrize(
    ("agent", "content", "message"),
    [
        ("codex", b"a = 1\nb =\n", "not valid TOML.*line 2"),
        ("codex", b"hooks = 1", r"hooks: must"),
        ("codex", b"[hooks.Stop]\n", r"hooks\.Stop: must"),
        ("codex", b"a = '\xff'", "not UTF-8"),
        ("codex", b"#" * (hooks.MAX_BYTES + 1), "larger than 10 MiB"),
        ("claude-code", b'{\n  // mine\n  "a": 1\n}', "line 2: is not valid JSON"),
        ("claude-code", b'{"a": 1,}', "line 1: is not valid JSON"),
        ("claude-code", b'{"a": {"b": 1, "b": 2}}', 'the key "b" stands twice'),
        ("claude-code", b'{"a": NaN}', "NaN is no number"),
        ("claude-code", b"[" * 100_000, "not valid JSON"),
        ("claude-code", b"[]", "must hold an object"),
        ("claude-code", b'{"hooks": []}', "hooks: must"),
        ("claude-code", b'{"hooks": {"Stop": {}}}', r"hooks\.Stop: must"),
        ("claude-code", b'"\xff"', "not UTF-8"),
    ],
)
def test_an_error_names_the_file_and_what_is_wrong(agent: Agent, content: bytes, message: str, path: Path) -> None:
    path.write_bytes(content)
    for act in (lambda: installed(agent, path, OURS), lambda: uninstalled(agent, path)):
        with pytest.raises(ConfigError, match=message) as caught:
            act()
        assert str(caught.value).startswith(str(path))
        assert caught.value.hint


def test_what_is_no_regular_file_is_refused(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="regular file"):
        installed("codex", path, OURS)
    with pytest.raises(ConfigError, match="regular file"):
        installed("codex", path.parent, OURS)
    with pytest.raises(ConfigError, match="Not a directory"):
        installed("codex", put(path.parent / "file", "") / "config.toml", OURS)


def test_an_edit_that_would_change_anything_else_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "_edited_toml", lambda *_: "model = 'other'\n")
    with pytest.raises(ConfigError, match="nothing was changed"):
        installed("codex", put(path, TOML), OURS)


def test_a_config_that_tomlkit_cannot_take_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise tomlkit.exceptions.KeyAlreadyPresent("a")

    monkeypatch.setattr(tomlkit, "parse", fail)
    with pytest.raises(ConfigError, match="nothing was changed"):
        installed("codex", put(path, TOMLS["inline"]), OURS)


def test_a_table_where_a_groups_list_of_hooks_should_be_is_left(path: Path) -> None:
    text = f'[[hooks.Stop]]\n[hooks.Stop.hooks]\ntype = "command"\ncommand = "{OURS}"\n'
    after = after_install("codex", path, text)
    assert after.startswith(f"{text}\n[[hooks.UserPromptSubmit]]\n")
    assert after_uninstall("codex", path, after) == text


# The diff


def test_the_diff_names_the_file_and_shows_only_what_is_new(path: Path) -> None:
    diff = installed("codex", put(path, "a = 1"), OURS).diff
    assert diff.startswith(f"--- {path}\n+++ {path}\n@@ ")
    assert "-a = 1\n\\ No newline at end of file\n+a = 1\n+\n+[[hooks.UserPromptSubmit]]\n" in diff
    assert diff.endswith("+timeout = 10\n\\ No newline at end of file\n")


# Write


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "config.toml"
    change = installed("codex", path, OURS)
    write(change)
    assert path.read_text() == change.after
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_files_mode_is_kept(path: Path) -> None:
    put(path, TOML).chmod(0o640)
    write(installed("codex", path, OURS))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert uninstalled("codex", path).after == TOML


def test_a_crlf_file_is_written_as_it_was(path: Path) -> None:
    change = installed("codex", put(path, TOMLS["crlf"]), OURS)
    write(change)
    assert path.read_bytes() == change.after.encode()
    assert b"\n" not in path.read_bytes().replace(b"\r\n", b"")


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_its_target_is_written(exists: bool, tmp_path: Path) -> None:
    target, link = tmp_path / "dotfiles" / "config.toml", tmp_path / "config.toml"
    target.parent.mkdir()
    if exists:
        put(target, TOML)
    link.symlink_to(Path("dotfiles") / "config.toml")
    write(installed("codex", link, OURS))
    assert link.is_symlink()
    assert OURS in target.read_text()
    assert os.listdir(target.parent) == ["config.toml"]


@pytest.mark.parametrize("now", [TOML + "# more\n", None])
def test_a_file_that_changed_in_between_is_left(now: str | None, path: Path) -> None:
    change = installed("codex", put(path, TOML), OURS)
    path.unlink() if now is None else put(path, now)
    with pytest.raises(ConfigError, match="changed by someone else"):
        write(change)
    assert (path.read_text() if path.exists() else None) == now


def test_nothing_is_written_where_nothing_changes(path: Path) -> None:
    write(Change(path, "", ""))
    assert not path.exists()


def test_a_failed_write_leaves_the_file_and_no_other(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change = installed("codex", put(path, TOML), OURS)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(ConfigError, match=f"{path}: cannot be written: No space left"):
        write(change)
    assert path.read_text() == TOML
    assert os.listdir(path.parent) == [path.name]


def test_a_folder_that_cannot_be_made_is_an_error_with_its_reason(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(put(tmp_path / "file", "") / "config.toml")
    with pytest.raises(ConfigError, match=r"Not a directory"):
        write(Change(link, "", "x"))


def test_a_loop_of_links_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "a")
    with pytest.raises(ConfigError, match="cannot be read"):
        installed("codex", tmp_path / "a", OURS)


def test_tomlkit_is_loaded_only_when_a_config_is_edited() -> None:
    code = "import sys, budgauge.hooks; sys.exit('tomlkit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
