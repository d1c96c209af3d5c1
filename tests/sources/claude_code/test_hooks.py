"""Claude Code's settings.json: only the value of `hooks` is written anew, and only for ours."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from budgauge.sources.hook_settings import installed
from sources.settings.layout import HOOKS, OURS, REST, after_install, after_uninstall, check_round_trip, decode


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
        "SessionEnd": [group],
    }
    assert change.before == ""
    assert change.after == json.dumps({"hooks": expected}, indent=2) + "\n"


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


def test_hooks_between_other_members_are_taken_out_with_one_comma(path: Path) -> None:
    ours = json.dumps({"Stop": [{"hooks": [{"type": "command", "command": OURS}]}]})
    assert after_uninstall("claude-code", path, f'{{"a": 1, "hooks": {ours}, "b": 2}}') == '{"a": 1, "b": 2}'
    assert after_uninstall("claude-code", path, f'{{ "hooks": {ours}, "b": 2}}') == '{ "b": 2}'


# Any settings

LAYOUTS = st.sampled_from(
    [{"indent": 2}, {"indent": 4}, {"indent": "\t"}, {"indent": None}, {"separators": (",", ":")}]
)


@st.composite
def settings_texts(draw: st.DrawFn) -> str:
    rest, own = draw(REST), draw(st.none() | HOOKS.filter(bool))
    pairs = draw(st.permutations([*rest.items(), *([("hooks", own)] if own else [])]))
    end = draw(st.sampled_from(["", "\n", "\n\n"]))
    return json.dumps(dict(pairs), ensure_ascii=draw(st.booleans()), **draw(LAYOUTS)) + end


@given(settings_texts())
@example("{}")
def test_any_json_settings_come_back(text: str) -> None:
    check_round_trip("claude-code", text)
