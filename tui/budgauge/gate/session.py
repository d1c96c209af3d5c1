"""One hook call being answered: the session's logs are read, then the budget is asked."""

import time

import msgspec

from budgauge.accounting.billing_cycle import midnight
from budgauge.accounting.limits import warning_due, warning_message
from budgauge.config.load import Loaded
from budgauge.errors import SourceError
from budgauge.files.cache import cache_folder
from budgauge.gate.call import DECIDING, TELLING, HookCall
from budgauge.gate.notes import Notes, NotesFile
from budgauge.gate.reply import Answer, told
from budgauge.gate.waiting import await_tool_use, check_log, no_log
from budgauge.sources.collector import Collector
from budgauge.sources.cursors import CursorFile
from budgauge.sources.importer import Booking
from budgauge.sources.name import AgentNames
from budgauge.sources.session import SessionFormat
from budgauge.sources.source import Source
from budgauge.text import safe
from budgauge.tracker.tracker import TokenBudgetTracker

LOCK_SECONDS = 2.0
"""How long the ledger's lock is waited for: an agent waits for the answer."""


class Gate:
    """One hook call being answered."""

    def __init__(self, call: HookCall, loaded: Loaded) -> None:
        self._call, self._loaded = call, loaded
        self._names = AgentNames(by_project=loaded.config.collect_agent == "project")
        self._config = loaded.config
        self._tracker = TokenBudgetTracker(loaded.config, ledger=loaded.ledger.path)
        session = call.session_id or call.transcript_path or ""
        self._notes_file = NotesFile(loaded, session)

    def answer(self, *, tells: bool = True) -> Answer:
        """The answer of one budget; with `tells`, it may warn. Raises whatever kept it from being decided."""
        call, notes = self._call, self._notes_file.read()
        before = msgspec.json.encode(notes)
        trouble: Exception | None = None
        if call.transcripts:
            try:
                if not call.is_codex and call.hook_event_name == "PreToolUse":
                    await_tool_use(call)
                self._bring_up_to_date(notes)
                if call.hook_event_name == "PreToolUse":
                    check_log(call)
            except Exception as error:  # whatever it is
                # What is booked already may be enough to refuse.
                trouble = error
        elif call.hook_event_name == "PreToolUse":
            trouble = no_log()
        reply = self._decided() if call.hook_event_name in DECIDING else Answer()
        if trouble is not None and not reply.code:
            raise trouble
        if tells and not reply.code and not notes.warned and call.hook_event_name in TELLING:
            reply = self._warning()
            notes.warned = bool(reply.output)
        if self._notes_file.is_first or msgspec.json.encode(notes) != before:
            self._notes_file.write(notes)
        return reply

    def _bring_up_to_date(self, notes: Notes) -> None:
        place, cache = self._loaded.ledger, cache_folder()
        booking = Booking(place.path, sync=self._config.sync, cache=cache, timeout=LOCK_SECONDS)
        format = self._format(notes)
        source = Source(format)
        collector = Collector(
            booking,
            [source],
            since=self._since(booking),
            # The session's own folder led here: all of it belongs here, wherever the agent went meanwhile.
            cursors=CursorFile(cache, booking.booked, purpose=self._notes_file.session),
        )
        collector.collect()
        if unread := [*format.unlistable, *source.unreadable]:
            raise SourceError(f"cannot read {', '.join(unread)}", hint="Check its permissions.")

    def _format(self, notes: Notes) -> SessionFormat:
        """The session's logs. Each agent's reader is loaded alone: every call of this command starts anew."""
        call = self._call
        if call.is_codex:
            from budgauge.sources.codex.session import codex_session

            return codex_session(call.session_id, call.transcripts, notes.members, notes.strangers, self._names)
        from budgauge.sources.claude_code.files import claude_session

        return claude_session(call.transcripts, self._names)

    def _since(self, booking: Booking) -> float:
        """From when on calls are brought in: the last reset, else the first collected call, else midnight."""
        reset = self._tracker.get_last_reset()
        # A reset dated in the future would leave every call out.
        if reset is not None and reset <= time.time():
            return reset
        booking.booked.refresh()
        begun = midnight(time.time())
        return min(begun, booking.booked.earliest or begun)

    def _decided(self) -> Answer:
        refused = self._tracker.check(self._call.agent(self._names))
        return Answer(2, error=f"{safe(str(refused))}\n") if refused else Answer()

    def _warning(self) -> Answer:
        used = self._tracker.get_total_used()
        if not warning_due(self._config, used):
            return Answer()
        return told(self._call.hook_event_name, warning_message(self._config, used))
