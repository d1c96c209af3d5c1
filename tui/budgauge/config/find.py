"""Search for the config files and the ledger."""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from budgauge.config.table import TABLE, Table, check_table, misplaced, read_document
from budgauge.errors import ConfigError
from budgauge.files.denying import NAMES

LEDGER_NAME = "token_usage.jsonl"
DEFAULT = "default"
"""The origin of a ledger that nobody named."""


def home_folder(env: Mapping[str, str]) -> Path:
    """Return the user's home: $HOME, else the system's. Raises ConfigError if neither is known."""
    home = env.get("HOME") or os.path.expanduser("~")
    if home == "~":
        raise ConfigError("no home folder is known: HOME is not set", hint="Set it: export HOME=/some/folder")
    return Path(home)


def codex_home(env: Mapping[str, str]) -> Path:
    """Return $CODEX_HOME, default ~/.codex. A leading `~/` is the user's home."""
    named = env.get("CODEX_HOME")
    return expanded(named, env).absolute() if named else home_folder(env) / ".codex"


def missing_home(env: Mapping[str, str]) -> str | None:
    """Return the trouble with the folder named by $CODEX_HOME; None without any, or where a reader will name one."""
    if not env.get("CODEX_HOME"):
        return None
    folder = codex_home(env)
    try:
        found = stat.S_ISDIR(os.stat(folder).st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return f"$CODEX_HOME names {folder}, which does not exist: no config is read there"
    except OSError:
        return None
    return None if found else f"$CODEX_HOME names {folder}, which is not a folder: no config is read there"


def read_folder(folder: Path, warnings: list[str]) -> Table | None:
    """Return the budget in a `.codex` folder, if any. Adds a warning for each misplaced name. Raises ConfigError."""
    for name in NAMES:
        found = read_document(folder / name)
        if found is None:
            continue
        document, text = found
        warnings += misplaced(folder / name, document, text)
        if TABLE in document:
            return check_table(folder / name, document, text)
        if name == NAMES[0] and document:
            raise ConfigError(
                f"{folder / name}: holds no [{TABLE}] table", hint=f"Put the line [{TABLE}] above its keys."
            )
    return None


def project_folders(start: Path, env: Mapping[str, str]) -> Iterator[Path]:
    """Yield the `.codex` folders from a folder up to the file system's border, without the user's own."""
    own = {_real(codex_home(env)), _real(home_folder(env) / ".codex")}
    device = _device(start)
    for folder in (start, *start.parents):
        if _device(folder) not in (device, None):
            return
        if _real(folder / ".codex") not in own:
            yield folder / ".codex"


def _device(folder: Path) -> int | None:
    """Return the file system of a folder; None if unknown."""
    with suppress(OSError, ValueError):
        return os.stat(folder).st_dev
    return None


def stranger(folder: Path) -> str | None:
    """Return why a `.codex` folder is passed over: a part is another user's. None also where a reader will tell."""
    with suppress(OSError, ValueError):
        os.lstat(folder)
        for path in (folder, *(folder / name for name in NAMES)):
            if (other := _others(path)) is not None:
                return f"{path} is passed over: it belongs to user {other}, neither to you nor to root"
    return None


def _others(path: Path) -> int | None:
    """Return the owner's user id of a path or link's target, if neither this user nor root."""
    trusted = (os.geteuid(), 0) if hasattr(os, "geteuid") else None
    try:
        status = os.lstat(path)
        found = [status, os.stat(path)] if stat.S_ISLNK(status.st_mode) else [status]
    except (OSError, ValueError):
        return None
    return next((one.st_uid for one in found if trusted and one.st_uid not in trusted), None)


def config_files(start: Path, env: Mapping[str, str]) -> tuple[Path, ...]:
    """Return every file in which the config may stand, whether it exists or not."""
    return tuple(folder / name for folder in (*project_folders(start, env), codex_home(env)) for name in NAMES)


class LedgerLocation(msgspec.Struct, frozen=True):
    """The ledger's path, and the setting that named it."""

    path: Path
    origin: str
    project: Path | None = None
    """The project's folder, if this is a project's ledger."""


def find_ledger(
    option: str | None, project: Table | None, user: Table | None, env: Mapping[str, str], start: Path
) -> LedgerLocation:
    """Return the ledger's path. Raises ConfigError for a server's address, and for a path outside the project."""
    for named, origin in ((option, "--ledger"), (env.get("CODEX_TOKEN_LEDGER"), "$CODEX_TOKEN_LEDGER")):
        if named:
            return LedgerLocation(start / _ledger_path(named, origin, env), origin)
    for table in (project, user):
        if table is not None and ("ledger",) in table.values:
            line = table.lines.get(("ledger",))
            where = f"{table.path}, line {line}" if line else str(table.path)
            path = table.path.parent / _ledger_path(table.values["ledger",], f"{where}: {TABLE}.ledger", env)
            if table is project:
                return _inside_project(path, table)
            return LedgerLocation(path, str(table.path))
    if project is not None:
        return _inside_project(project.path.parent / LEDGER_NAME, project)
    if os.path.isdir(codex_home(env)):
        return LedgerLocation(codex_home(env) / LEDGER_NAME, DEFAULT)
    return LedgerLocation(_data_ledger(), DEFAULT)


def left_behind(place: LedgerLocation) -> Path | None:
    """Return a ledger at the other default place, in use until `$CODEX_HOME` appeared; None if there is none."""
    other = _data_ledger()
    if place.origin != DEFAULT or place.path == other:
        return None
    try:
        return other if other.stat().st_size else None
    except OSError:
        return None


def _data_ledger() -> Path:
    from platformdirs import user_data_path

    return user_data_path("budgauge", appauthor=False) / LEDGER_NAME


def expanded(path: str, env: Mapping[str, str]) -> Path:
    """Return a path with a leading `~/` as the user's home. Raises ConfigError if no home is known."""
    if path == "~" or path.startswith("~/"):
        return home_folder(env) / path[2:].lstrip("/")
    return Path(path)


_ADDRESS = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://|service=)")


def _ledger_path(named: str, origin: str, env: Mapping[str, str]) -> Path:
    """Return the file named as ledger. Raises ConfigError for an address, showing only the scheme."""
    if address := _ADDRESS.match(named):
        raise ConfigError(
            f"{origin} names an address ({address[0]}...): a ledger is a file",
            hint="Name a file by its path, such as ~/.codex/token_usage.jsonl",
        )
    return expanded(named, env)


def _inside_project(path: Path, table: Table) -> LedgerLocation:
    """Return the place of a project's ledger. A cloned repository must not choose other files."""
    root = table.path.parent.parent
    path = Path(os.path.normpath(path))
    if not _real(path.parent).is_relative_to(_real(root)):
        raise ConfigError(
            f"{table.path}: ledger {path} lies outside the project's folder {root}",
            hint="Name a ledger inside the project, or set one in your own config or with $CODEX_TOKEN_LEDGER.",
        )
    return LedgerLocation(path, str(table.path), project=root)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
