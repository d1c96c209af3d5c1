"""Hooks in Codex's config.toml. Whole sections are added and cut as text; inside a section tomlkit edits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from operator import methodcaller
from pathlib import Path

import tomli

from budgauge.errors import ConfigError
from budgauge.sources.settings.entry import (
    EVENTS,
    TIMEOUT_SECONDS,
    Value,
    hooks_of,
    is_ours,
    new_group,
    ours_in,
    point,
    take_out,
)
from budgauge.sources.settings.toml_section import Keys, Section, sections


def decoded(path: Path, text: str) -> dict[str, Value]:
    """The config's values. Raises ConfigError."""
    try:
        return tomli.loads(text, parse_float=str)  # as text, so that nan equals itself
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}", hint="Correct that line.") from error


def edited(text: str, command: str | None) -> str:
    """A valid config's text with our command at each event, or with none of ours.

    Raises ValueError if its layout does not allow that. It is for the caller to see that all else is as before.
    """
    if command is None:
        return _without_sections(_with_bodies(text, _free_body))
    return _with_sections(_with_bodies(text, partial(_fill_body, command)), command)


# What is inside a section


def _with_bodies(text: str, edit: Callable[[Keys, Value], None]) -> str:
    """Return the text after `edit` had each section about hooks, as tomlkit's document."""
    from tomlkit import parse
    from tomlkit.exceptions import TOMLKitError

    for section in reversed(sections(text)):
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
    """Return event → groups, as far as a section's own body holds them."""
    if len(keys) < 2:
        events = body if keys else body.get("hooks", {})
        return events if isinstance(events, dict) else {}
    if len(keys) == 2:
        return {keys[1]: [body]}
    return {keys[1]: [{"hooks": [body]}]} if keys[2:] == ("hooks",) else {}


def _fill_body(command: str, keys: Keys, body: Value) -> None:
    """Point our entries here to the command. Add missing ones where only this section can hold them."""
    from tomlkit.items import Array, InlineTable

    events = _events_in(keys, body)
    groups = {event: new_group("codex", event, command) for event in EVENTS["codex"]}
    for event, group in groups.items():
        if not point(events.get(event), command) and isinstance(events.get(event), Array):
            _keeping_edges(events, event, methodcaller("insert", 0, group))  # in front: the last comma stays as it is
    if isinstance(events, InlineTable):
        missing = {event: [group] for event, group in groups.items() if event not in events}
        _keeping_edges(body, "hooks", methodcaller("update", missing))


def _free_body(keys: Keys, body: Value) -> None:
    """Take our entries out of this section, where others are left."""
    from tomlkit.items import InlineTable

    events = _events_in(keys, body)
    ours = [event for event, groups in events.items() if ours_in(groups)]
    for event in ours:
        if len(keys) < 2:
            _keeping_edges(events, event, take_out)
        else:
            take_out(events[event])
    if isinstance(events, InlineTable):
        for event in [event for event in ours if not events[event]]:
            _keeping_edges(body, "hooks", methodcaller("pop", event))


def _keeping_edges(holder: Value, key: str, edit: Callable[[Value], object]) -> None:
    """Edit an array or inline table, keeping spaces and last comma inside the brackets, which tomlkit may lose."""
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


# Whole sections


def _with_sections(text: str, command: str) -> str:
    """Return the text with our own sections at the end, a blank line before each."""
    from tomlkit import item

    events = tomli.loads(text).get("hooks", {})
    end = "\r\n" if "\r\n" in text else "\n"
    values = f'type = "command"{end}command = {item(command).as_string()}{end}timeout = {TIMEOUT_SECONDS}'
    blocks = [
        f"[[hooks.{event}]]{end}[[hooks.{event}.hooks]]{end}{values}{end}"
        for event in EVENTS["codex"]
        if not ours_in(events.get(event))
    ]
    if not blocks or not text:
        return text + end.join(blocks)
    is_open = not text.endswith("\n")
    whole = end.join([text + end if is_open else text, *blocks])
    return whole.removesuffix(end) if is_open else whole


def _without_sections(text: str) -> str:
    """Return the text without our sections, each cut with the blank line before."""
    for section in reversed(list(_ours_among(sections(text), tomli.loads(text).get("hooks", {})))):
        before, after = text[: section.start], text[section.end :]
        before = re.sub(r"(\A|\n)\r?\n\Z", r"\1", before)
        if not after and not text.endswith("\n"):
            before = re.sub(r"\r?\n\Z", "", before)
        text = before + after
    return text


def _ours_among(found: list[Section], events: dict[str, Value]) -> Iterator[Section]:
    """Yield the sections with our entries, and the groups without any other."""
    at: dict[str, tuple[int, int]] = {}  # event → the group that the text has come to, and the hook in it
    for section in found:
        if len(section.keys) < 2 or section.keys[0] != "hooks" or not isinstance(events[section.keys[1]], list):
            continue
        event, *below = section.keys[1:]
        group, hook = at.get(event, (-1, -1))
        if not below:
            group, hook = group + 1, -1
        elif below == ["hooks"]:
            hook += 1
        at[event] = group, hook
        ours = [is_ours(it) for it in hooks_of(events[event][group])]
        if ours and (all(ours) or (below[:1] == ["hooks"] and ours[hook])):
            yield section
