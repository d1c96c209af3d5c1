"""The project's budget with the user's own beside, for programs with both to watch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from budgauge.authority.both import Both
from budgauge.authority.local import Local
from budgauge.config.both import load_user
from budgauge.config.load import Loaded, Options, working_folder
from budgauge.errors import ConfigError
from budgauge.views.live import Observer, View


class BothObserver(Observer):
    """An observer of a project's budget and of the user's own beside."""

    def __init__(
        self,
        options: Options = Options(),
        *,
        start: Path | None = None,
        user_options: Options | None = None,
        **settings: Any,  # those of Observer, checked there
    ) -> None:
        """Take an observer's arguments. Raises ConfigError also where the user's own config is wrong.

        `user_options` lead to the user's budget, by default the same options.
        """
        # Taken once: the working directory may be removed later.
        folder = working_folder() if start is None else start
        super().__init__(options, start=folder, **settings)
        users = {**settings, "keeps_project": False, "read": load_user}
        self._make_user: Callable[[], Observer] = partial(Observer, user_options or options, start=folder, **users)
        self._user: Observer | None = self._make_user() if self.loaded.project else None
        self._joined: tuple[View, View | None, str, View] | None = None
        """The project's view, the user's, the reason for none, and the view made of these."""

    @property
    def both_authorities(self) -> Local | Both:
        """The authority over records made here now."""
        return self.authority if self._user is None else Both(self._user.authority, self.authority)

    @property
    def user_loaded(self) -> Loaded | None:
        """The user's own config beside a project's; None where no project's is shown."""
        return None if self._user is None else self._user.loaded

    def look(self) -> View:
        """Return the present view; the same object if nothing changed. Never raises."""
        shown, trouble = super().look(), ""
        if self.loaded.project is None:
            self._user = None
        elif self._user is None:
            try:
                self._user = self._make_user()
            except ConfigError as error:
                trouble = f"Your own budget is not shown: {error}"
        user = self._user.look() if self._user is not None else None
        old = self._joined
        if old is not None and old[0] is shown and old[1] is user and old[2] == trouble:
            return old[3]
        budget_of = "project" if self.loaded.project else "" if self.loaded.options.config else "user"
        notices = (*shown.notices, trouble) if trouble else shown.notices
        joined = msgspec.structs.replace(shown, budget_of=budget_of, user=user, notices=notices)
        self._joined = shown, user, trouble, joined
        return joined

    def ledger_size(self) -> int:
        """Return the bytes of all ledgers read."""
        return super().ledger_size() + (self._user.ledger_size() if self._user is not None else 0)

    def resolve_prices(self) -> None:
        """Look up missing prices here and now."""
        super().resolve_prices()
        if self._user is not None:
            self._user.resolve_prices()

    def folders(self) -> tuple[Path, ...]:
        """Return the folders to watch."""
        users = self._user.folders() if self._user is not None else ()
        return tuple(dict.fromkeys((*super().folders(), *users)))

    @property
    def glance(self) -> Callable[[], object]:
        """A function with another result once a ledger has grown since the last look."""
        shown = super().glance
        if self._user is None:
            # Called often: one ledger must cost no more than before.
            return shown
        users = self._user.glance
        return lambda: (shown(), users())
