"""An agent's settings made to call our command at its hooks, and freed of it again; what others wrote stays."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from operator import methodcaller
from pathlib import Path
from typing import Any, Literal

import msgspec
import tomli

from budgauge.config.find import codex_home, home_folder
from budgauge.errors import ConfigError

Agent = Literal["codex", "claude-code"]
Value = Any  # JSON's and TOML's values, and tomlkit's, which act like them: each is looked at before it is used
Keys = tuple[str, ...]

EVENTS: dict[Agent, tuple[str, ...]] = {
    "codex": ("UserPromptSubmit", "PreToolUse", "PostToolUse", "PostModelRequest", "SubagentStop", "Stop"),
    "claude-code": ("UserPromptSubmit", "PreToolUse", "PostToolUse", "SubagentStop", "Stop"),
}
TIMEOUT_SECONDS = 10
MAX_BYTES = 10 << 20
_MATCHED = ("PreToolUse", "PostToolUse")
"""Claude Code's events that are about a tool, which a group of hooks must match."""
_BOM = "\ufeff"


class Change(msgspec.Struct, frozen=True):
    """What would be written to a settings file; `after == before` if there is nothing to do."""

    path: Path
    before: str
    """Its text now, line ends as they are; "" also if there is no such file."""
    after: str

    @property
    def diff(self) -> str:
        """A unified diff, the path in both heads; "" if nothing changes. Line ends of CRLF files are in it."""
        from difflib import unified_diff

        name = str(self.path)
        lines = unified_diff(_lines(self.before), _lines(self.after), name, name)
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def settings_file(agent: Agent, env: Mapping[str, str], project: Path | None) -> Path:
    """Where an agent looks for hooks: the project's file if one is given, else the user's own."""
    if agent == "codex":
        return (project / ".codex" if project else codex_home(env)) / "config.toml"
    return (project / ".claude" if project else _claude_home(env)) / "settings.json"


def _claude_home(env: Mapping[str, str]) -> Path:
    """The first folder of $CLAUDE_CONFIG_DIR, which may name its `projects`; default ~/.claude."""
    named = next(filter(None, (part.strip() for part in env.get("CLAUDE_CONFIG_DIR", "").split(","))), None)
    if not named:
        return home_folder(env) / ".claude"
    folder = home_folder(env) / named[2:] if named.startswith("~/") else Path(named).absolute()
    return folder.parent if folder.name == "projects" else folder


def installed(agent: Agent, path: Path, command: str) -> Change:
    """The settings with our command at each of `EVENTS`; an entry of ours that is there gets this command.

    Raises ConfigError if the file cannot be read or edited, or if `command` would not be known again as ours.
    """
    if not _is_our_command(command) or not _is_text(command):
        raise ConfigError(
            f"hook command {command!r} is none that uninstall would find again",
            hint="Use `/path/to/budgauge hook` or `/path/to/python -m budgauge hook`.",
        )
    return _changed(agent, path, command)


def uninstalled(agent: Agent, path: Path) -> Change:
    """The settings without our entries, at any event, and without what that empties. Raises ConfigError."""
    return _changed(agent, path, None)


def write(change: Change) -> None:
    """Put the new text in place whole. A link's target is written, a file's mode kept; a new file is its owner's.

    Raises ConfigError if the file is no longer as it was read, or cannot be written.
    """
    if change.after == change.before:
        return
    if _read(change.path) != change.before:
        raise ConfigError(f"{change.path}: was changed by someone else just now", hint="Run the command again.")
    try:
        _replace(Path(os.path.realpath(change.path)), change.after.encode())
    except OSError as error:
        raise ConfigError(
            f"{change.path}: cannot be written: {error.strerror}", hint="Check the folder's permissions and free space."
        ) from error


def _replace(target: Path, content: bytes) -> None:
    import tempfile

    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(fd, "wb") as file:
            with suppress(FileNotFoundError):
                _keep_owner_and_mode(fd, target.stat())
            file.write(content)
            file.flush()
            os.fsync(fd)
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _keep_owner_and_mode(fd: int, old: os.stat_result) -> None:
    with suppress(OSError):  # only root may give files away, and only root needs to
        os.fchown(fd, old.st_uid, old.st_gid)
    os.fchmod(fd, stat.S_IMODE(old.st_mode))


def _read(path: Path) -> str:
    """The file's text, line ends untouched; "" if there is none. Raises ConfigError."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError(f"{path}: is not a regular file", hint="Move away what stands there.")
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}", hint="Check its permissions.") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: is larger than {MAX_BYTES >> 20} MiB", hint="Is it really the agent's settings?")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 (byte {error.start})", hint="Save it as UTF-8.") from error


def _changed(agent: Agent, path: Path, command: str | None) -> Change:
    before = _read(path)
    text = before.removeprefix(_BOM)
    decode, edit = (_from_toml, _edited_toml) if agent == "codex" else (_from_json, _edited_json)
    document = decode(path, text)
    hooks = document.get("hooks", {})
    _check_types(path, hooks, agent)
    wanted = decode(path, text).get("hooks", {})
    _install(wanted, agent, command) if command else _uninstall(wanted)
    if wanted == hooks:
        return Change(path, before, before)
    try:
        after = edit(text, document, wanted, command)
        is_right = _meaning(decode(path, after)) == _meaning({**document, "hooks": wanted})
    except (ValueError, RecursionError):
        is_right = False
    if not is_right:
        raise ConfigError(
            f"{path}: its hooks are laid out in a way that cannot be edited safely; nothing was changed",
            hint="Lay them out as the agent's manual does, or edit our entries by hand.",
        )
    return Change(path, before, before[: len(before) - len(text)] + after)


def _meaning(document: dict[str, Value]) -> dict[str, Value]:
    """A document for comparison: an empty event is the same as none, and the order at an event says nothing."""
    events = document.get("hooks", {}).items()
    hooks = {event: sorted(it, key=repr) if isinstance(it, list) else it for event, it in events if it != []}
    return {key: value for key, value in document.items() if key != "hooks"} | ({"hooks": hooks} if hooks else {})


def _check_types(path: Path, hooks: Value, agent: Agent) -> None:
    if not isinstance(hooks, dict):
        raise ConfigError(f"{path}: hooks: must hold events and their hooks", hint="Correct or remove that key.")
    for event in EVENTS[agent]:
        if not isinstance(hooks.get(event, []), list):
            raise ConfigError(f"{path}: hooks.{event}: must be a list of groups", hint="Correct or remove that key.")


# What is ours, and what becomes of it: the same for decoded values and for tomlkit's.


def _is_our_command(command: str) -> bool:
    """Whether a command line runs `budgauge hook` and nothing else."""
    try:
        program, *words = shlex.split(command)
    except ValueError:
        return False
    if any(set(word) & set(";|&") for word in words):
        return False  # somebody's own script with more in it
    if words[:2] == ["-m", "budgauge"]:
        return "hook" in words[2:] and "install" not in words
    return os.path.basename(program) == "budgauge" and "hook" in words and "install" not in words


def _is_text(command: str) -> bool:
    return not re.search("[\ud800-\udfff\0\r\n]", command)


def _is_ours(hook: Value) -> bool:
    if not isinstance(hook, dict) or hook.get("type") != "command":
        return False
    command = hook.get("command")
    return isinstance(command, str) and _is_our_command(command)


def _hooks_of(group: Value) -> list[Value]:
    hooks = group.get("hooks") if isinstance(group, dict) else None
    return hooks if isinstance(hooks, list) else []


def _ours_in(groups: Value) -> list[dict[str, Value]]:
    """Our entries at an event. Several are somebody's choice of matchers, and stay several."""
    if not isinstance(groups, list):
        return []
    return [hook for group in groups for hook in _hooks_of(group) if _is_ours(hook)]


def _group(agent: Agent, event: str, command: str) -> dict[str, Value]:
    matcher = {"matcher": "*"} if agent == "claude-code" and event in _MATCHED else {}
    return {**matcher, "hooks": [{"type": "command", "command": command, "timeout": TIMEOUT_SECONDS}]}


def _install(hooks: dict[str, Value], agent: Agent, command: str) -> None:
    for event in EVENTS[agent]:
        if not _point(hooks.get(event), command):
            hooks.setdefault(event, []).append(_group(agent, event, command))


def _point(groups: Value, command: str) -> bool:
    """Make our entries run this command, all else about them as somebody set it; False if there are none."""
    ours = _ours_in(groups)
    for hook in ours:
        if hook["command"] != command:
            hook["command"] = command
    return bool(ours)


def _uninstall(hooks: dict[str, Value]) -> None:
    for event in [event for event, groups in hooks.items() if _ours_in(groups)]:
        _take_out(hooks[event])
        if not hooks[event]:
            del hooks[event]


def _take_out(groups: list[Value]) -> None:
    """Without our entries, and the groups that had no others."""
    for at in reversed(range(len(groups))):
        hooks = _hooks_of(groups[at])
        ours = [place for place, hook in enumerate(hooks) if _is_ours(hook)]
        if ours and len(ours) == len(hooks):
            del groups[at]
        else:
            for place in reversed(ours):
                del hooks[place]


# TOML: whole sections are added and cut as text; what is inside a section is edited by tomlkit.


def _from_toml(path: Path, text: str) -> dict[str, Value]:
    try:
        return tomli.loads(text, parse_float=str)  # as text, so that nan equals itself
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}", hint="Correct that line.") from error


class _Section(msgspec.Struct, frozen=True):
    """A header and what is below it up to its last value: comments after that are not its own."""

    keys: Keys
    start: int
    body: int
    end: int


_TOKEN = re.compile(
    r"""["]{3}(?:[^\\]|\\.)*?["]{3,5}|'{3}.*?'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\#[^\n]*|[\[\]{}\n]""", re.DOTALL
)
"""What may hold or end a line: texts, comments, brackets."""


def _statements(text: str) -> Iterator[tuple[int, int]]:
    """Where each line of a valid TOML text begins and ends, values of several lines being one."""
    start = depth = 0
    for token in _TOKEN.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if token[0] == "\n" and not depth:
            yield start, token.end()
            start = token.end()
    if start < len(text):
        yield start, len(text)


def _sections(text: str) -> list[_Section]:
    """Every section, the one before any header first."""
    sections = [_Section((), 0, 0, 0)]
    for start, end in _statements(text):
        line = text[start:end].strip()
        if line.startswith("["):
            sections.append(_Section(_header_keys(line), start, end, end))
        elif line and not line.startswith("#"):
            sections[-1] = msgspec.structs.replace(sections[-1], end=end)
    return sections


def _header_keys(header: str) -> Keys:
    keys: list[str] = []
    inner: Value = tomli.loads(header)
    while inner:
        if isinstance(inner, dict):
            keys.extend(inner)
        inner = inner[0] if isinstance(inner, list) else inner[keys[-1]]
    return tuple(keys)


def _edited_toml(text: str, document: dict[str, Value], wanted: dict[str, Value], command: str | None) -> str:
    if command is None:
        return _without_sections(_with_bodies(text, _free_body), document)
    hooks = document.get("hooks", {})
    missing = [event for event in EVENTS["codex"] if not _ours_in(hooks.get(event))]
    text = _with_bodies(text, lambda keys, body: _fill_body(keys, body, command, missing))
    return _with_blocks(text, missing, command)


def _with_bodies(text: str, edit: Callable[[Keys, Value], None]) -> str:
    """The text after `edit` has had each section that is about hooks, as tomlkit's document."""
    from tomlkit import parse
    from tomlkit.exceptions import TOMLKitError

    for section in reversed(_sections(text)):
        body = text[section.body : section.end]
        if section.keys[:1] == ("hooks",) or (not section.keys and "hooks" in body):
            try:
                document = parse(body)
                edit(section.keys, document)
            except TOMLKitError as error:
                raise ValueError(str(error)) from error
            text = text[: section.body] + document.as_string() + text[section.end :]
    return text


def _events_in(keys: Keys, body: Value) -> dict[str, Value]:
    """event → its groups, as far as a section's own body holds them."""
    if not keys or keys == ("hooks",):
        events = body if keys else body.get("hooks", {})
        return events if isinstance(events, dict) else {}
    if len(keys) == 2:
        return {keys[1]: [body]}
    return {keys[1]: [{"hooks": [body]}]} if keys[2:] == ("hooks",) else {}


def _fill_body(keys: Keys, body: Value, command: str, missing: list[str]) -> None:
    """Point our entries here to the command; add what is missing where only this section can hold it."""
    from tomlkit.items import Array, InlineTable

    events = _events_in(keys, body)
    for event, groups in list(events.items()):
        _point(groups, command)
        if event in missing and isinstance(groups, Array):
            group = _group("codex", event, command)
            _keeping_edges(events, event, methodcaller("insert", 0, group))  # in front: the last comma stays as it is
            missing.remove(event)
    if isinstance(events, InlineTable):
        added = {event: [_group("codex", event, command)] for event in missing}
        _keeping_edges(body, "hooks", methodcaller("update", added))
        missing.clear()


def _free_body(keys: Keys, body: Value) -> None:
    from tomlkit.items import InlineTable

    events = _events_in(keys, body)
    ours = [event for event, groups in events.items() if _ours_in(groups)]
    for event in ours:
        if len(keys) < 2:
            _keeping_edges(events, event, _take_out)
        else:
            _take_out(events[event])
    if isinstance(events, InlineTable):
        for event in [event for event in ours if not events[event]]:
            _keeping_edges(body, "hooks", methodcaller("pop", event))


def _keeping_edges(holder: Value, key: str, edit: Callable[[Value], object]) -> None:
    """Edit an array or inline table; spaces and last comma inside its brackets stay, of which tomlkit loses some."""
    from tomlkit import value

    inside = holder[key].as_string()[1:-1]
    edit(holder[key])
    new = holder[key].as_string()
    before = inside[: len(inside) - len(inside.lstrip())]
    after = inside[len(_without_edge(inside)) :] if inside.strip() else ""
    inner = _without_edge(new[1:-1]).lstrip()
    holder[key] = value(new[0] + before + inner + (after if inner else after.replace(",", "")) + new[-1])


def _without_edge(inside: str) -> str:
    return inside.rstrip().removesuffix(",").rstrip()


def _with_blocks(text: str, events: list[str], command: str) -> str:
    """With our sections at the end, a blank line before each; a text without a last line end stays without."""
    from tomlkit import item

    end = "\r\n" if "\r\n" in text else "\n"
    values = f'type = "command"{end}command = {item(command).as_string()}{end}timeout = {TIMEOUT_SECONDS}'
    blocks = [f"[[hooks.{event}]]{end}[[hooks.{event}.hooks]]{end}{values}{end}" for event in events]
    if not blocks:
        return text
    if not text:
        return end.join(blocks)
    is_open = not text.endswith("\n")
    whole = end.join([text + end if is_open else text, *blocks])
    return whole.removesuffix(end) if is_open else whole


def _without_sections(text: str, document: dict[str, Value]) -> str:
    """Without the sections that are ours, each with the blank line before it."""
    sections = _sections(text)
    for section in reversed([sections[at] for at in _ours_among(sections, document)]):
        before, after = text[: section.start], text[section.end :]
        before = re.sub(r"(\A|\n)\r?\n\Z", r"\1", before)
        if not after and not text.endswith("\n"):
            before = re.sub(r"\r?\n\Z", "", before)
        text = before + after
    return text


def _ours_among(sections: list[_Section], document: dict[str, Value]) -> Iterator[int]:
    """Which sections hold our entries, or belong to a group that has no others."""
    events = document.get("hooks", {})
    group_at: dict[str, int] = {}
    hook_at = -1
    for at, section in enumerate(sections):
        if len(section.keys) < 2 or section.keys[0] != "hooks" or not isinstance(events[section.keys[1]], list):
            continue
        event = section.keys[1]
        if len(section.keys) == 2:
            group_at[event], hook_at = group_at.get(event, -1) + 1, -1
        elif section.keys[2:] == ("hooks",):
            hook_at += 1
        ours = [_is_ours(hook) for hook in _hooks_of(events[event][group_at[event]])]
        if (ours and all(ours)) or (section.keys[2:3] == ("hooks",) and 0 <= hook_at < len(ours) and ours[hook_at]):
            yield at


# JSON: the value of `hooks` is written anew, all around it stays as text.


def _from_json(path: Path, text: str) -> dict[str, Value]:
    if not text.strip():
        return {}
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{path}, line {error.lineno}: is not valid JSON: {error.msg}",
            hint="Correct that line; JSON has no comments and no comma after the last value.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is not valid JSON: {error}", hint="Correct it.") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: must hold an object, written {{ }}", hint="Correct it, or move the file away.")
    return document


def _unique(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {json.dumps(key)} stands twice in one object")
        found[key] = value
    return found


def _no_number(name: str) -> Value:
    raise ValueError(f"{name} is no number of JSON")


class _Member(msgspec.Struct, frozen=True):
    """Where a key begins, and its value begins and ends."""

    key: str
    start: int
    value: int
    end: int


_SPACE = re.compile(r"[ \t\r\n]*")


def _skip(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it always matches


def _members(text: str) -> list[_Member]:
    """The members of the object that a valid JSON text is."""
    decoder = json.JSONDecoder()
    found: list[_Member] = []
    at = _skip(text, text.index("{") + 1)
    while text[at] != "}":
        key, end = decoder.raw_decode(text, at)
        value = _skip(text, _skip(text, end) + 1)
        found.append(_Member(key, at, value, decoder.raw_decode(text, value)[1]))
        at = _skip(text, found[-1].end)
        at = _skip(text, at + 1) if text[at] == "," else at
    return found


def _edited_json(text: str, _document: dict[str, Value], wanted: dict[str, Value], _command: str | None) -> str:
    end = "\r\n" if "\r\n" in text else "\n"
    text = text if text.strip() else "{}" + end
    members = _members(text)
    inside = text.index("{") + 1
    gap = text[inside : members[0].start] if members else end + "  "
    old = next((at for at, member in enumerate(members) if member.key == "hooks"), None)
    if old is not None and not wanted:
        start, stop = _cut(text, members, old)
        return text[:start] + text[stop:]
    if old is not None:
        start, stop = members[old].value, members[old].end
        return text[:start] + _encoded(wanted, gap, text[start:stop]) + text[stop:]
    member = '"hooks": ' + _encoded(wanted, gap, "")
    if members:
        line = end + gap.rpartition("\n")[2] if "\n" in gap else " "
        return f"{text[: members[-1].end]},{line}{member}{text[members[-1].end :]}"
    return f"{text[:inside]}{gap}{member}{end}{text[text.rindex('}') :]}"


def _cut(text: str, members: list[_Member], at: int) -> tuple[int, int]:
    """From where to where a member and one comma stand; the last member leaves `{}`."""
    if at:
        return members[at - 1].end, members[at].end
    if len(members) > 1:
        return members[0].start, members[1].start
    return text.index("{") + 1, text.rindex("}")


def _encoded(hooks: dict[str, Value], gap: str, old: str) -> str:
    """The value of `hooks`, laid out as the old one if that was regular, else as the gap before the first key."""
    indent = gap.rpartition("\n")[2] if "\n" in gap else None
    end = "\r\n" if "\r\n" in gap else "\n"

    def encode(value: Value, indent: str | None, tight: bool, is_ascii: bool) -> str:
        between = ("," if indent is not None or tight else ", ", ":" if tight else ": ")
        text = json.dumps(value, indent=indent, separators=between, ensure_ascii=is_ascii, allow_nan=False)
        return text.replace("\n", end + (indent or ""))

    layouts = [(indent, tight, is_ascii) for is_ascii in (False, True) for tight in (False, True)]
    layouts += [(None, tight, is_ascii) for is_ascii in (False, True) for tight in (False, True)]
    same = (layout for layout in layouts if old and encode(json.loads(old), *layout) == old)
    fallback = (indent, False, bool(re.search(r"\\u[dD][89a-fA-F]", old)))
    return encode(hooks, *next(same, fallback))
