"""Settings files laid out in many ways, and what is in them before and after."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import strategies as st

from budgauge.sources.hook_settings import installed, uninstalled
from budgauge.sources.settings.entry import EVENTS, Agent

OURS = "/opt/venv/bin/budgauge hook codex"
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
