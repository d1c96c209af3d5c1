"""The answer of one budget to a hook call: read the session's logs, then ask the budget."""

import time
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from budgauge.accounting.billing_cycle import midnight
from budgauge.accounting.limits import warning_due, warning_message
from budgauge.accounting.records import Usage
from budgauge.authority.local import Local
from budgauge.config.load import Loaded
from budgauge.errors import LedgerError, SourceError
from budgauge.files.cache import cache_folder
from budgauge.gate.call import DECIDING, INFORMING, TOOL, HookCall
from budgauge.gate.notes import Notes, NotesFile
from budgauge.gate.reply import Answer, allowed, refused
from budgauge.gate.turn import turn
from budgauge.gate.waiting import await_call, check_log, check_usage_lines, no_log, unread
from budgauge.sources.collector import Collector
from budgauge.sources.cursors import CursorFile
from budgauge.sources.dry_run import DryRun
from budgauge.sources.importer import Importer
from budgauge.sources.name import AgentNames
from budgauge.sources.session import SessionFormat
from budgauge.sources.source import Source

LOCK_SECONDS = 2.0
"""The longest wait for the ledger's lock: an agent waits for the answer."""
STEP_BYTES = 8 << 20
"""The part of a log imported in one step: the next call reads a long log on, not from the start."""


class Gate:
    """One budget and one hook call."""

    def __init__(self, call: HookCall, loaded: Loaded, remarks: Mapping[str, str] = MappingProxyType({})) -> None:
        """Take `remarks` for the person on the surroundings, by name: each is shown once a session."""
        self._call, self._loaded, self._remarks = call, loaded, remarks
        self._names = AgentNames(by_project=loaded.config.collect_agent == "project")
        self._config = loaded.config
        self._budget = Local(loaded.config, loaded.ledger.path, keeps_all_ids=True)
        self._budget.set_lock_timeout(LOCK_SECONDS)
        session = call.session_id or call.transcript_path or ""
        self._notes_file = NotesFile(loaded, session)
        self._unbooked: list[Usage] = []
        """Calls in the session's logs not written into the ledger."""

    def refusal_now(self) -> Answer | None:
        """Return the refusal by the ledger before any import; None without one. Raises LedgerError."""
        if self._call.hook_event_name not in DECIDING:
            return None
        reply = self._refused()
        if reply is not None:
            notes = self._notes_file.read()
            if self._notes_file.is_first:
                self._notes_file.write(notes)
        return reply

    def answer(self, *, informs: bool = True) -> Answer:
        """Return the budget's answer; with `informs`, a warning too. Raises the reason if no decision was possible."""
        call, notes = self._call, self._notes_file.read()
        before = msgspec.json.encode(notes)
        trouble: Exception | None = None
        if not call.is_read:
            trouble = unread(call.caller) if call.hook_event_name in DECIDING else None
        elif call.transcripts:
            try:
                if call.hook_event_name in TOOL:
                    await_call(call)
                self._bring_up_to_date(notes)
                if call.hook_event_name in TOOL:
                    check_log(call)
            except Exception as error:  # any failure
                # The records so far may be enough to refuse.
                trouble = error
        elif call.hook_event_name in TOOL:
            trouble = no_log()
        reply = self._decided() if call.hook_event_name in DECIDING else Answer()
        if trouble is not None and not reply.code:
            raise trouble
        if informs and not reply.code and call.hook_event_name in INFORMING:
            reply = self._warning(notes)
        if self._notes_file.is_first or msgspec.json.encode(notes) != before:
            self._notes_file.write(notes)
        return reply

    def _bring_up_to_date(self, notes: Notes) -> None:
        ledger = self._budget.ledger
        with turn(self._notes_file.turn_path):
            format = self._format(notes)
            try:
                source = self._collect(Importer(ledger), format)
            except LedgerError:
                # The log's calls were spent, even if they cannot be written.
                ledger.refresh()
                self._collect(DryRun(ledger, self._unbooked.extend), format, keeps=False)
                raise
        if hidden := [*format.unlistable, *source.unreadable]:
            raise SourceError(f"cannot read {', '.join(hidden)}", hint="Check its permissions.")
        if self._call.hook_event_name in DECIDING:
            check_usage_lines(source)

    def _collect(self, sink: Importer | DryRun, format: SessionFormat, *, keeps: bool = True) -> Source:
        """Import new calls from the session's logs, step by step; return the logs as read."""
        source = Source(format, step_bytes=STEP_BYTES)
        # The session's own folder led to this budget, so all calls belong here, whatever the present folder.
        cursors = CursorFile(cache_folder(), self._budget.ledger, purpose=self._notes_file.session, writes=keeps)
        Collector(sink, [source], since=self._since(), cursors=cursors).collect()
        return source

    def _format(self, notes: Notes) -> SessionFormat:
        """Return the format of the session's logs. Only this agent's reader is loaded: each call is a new process."""
        call = self._call
        if call.is_codex:
            from budgauge.sources.codex.session import codex_session

            # Another hook of the session may have searched the folders during the wait for the turn.
            kept = self._notes_file.read()
            before = len(kept.members), len(kept.strangers)
            notes.members, notes.strangers = kept.members, kept.strangers
            format = codex_session(
                *(call.session_id, call.transcripts, notes.members, notes.strangers, self._names),
                keep=lambda: self._notes_file.write(notes),
            )
            if (len(notes.members), len(notes.strangers)) != before:
                self._notes_file.write(notes)
            return format
        from budgauge.sources.claude_code.files import claude_session

        return claude_session(call.transcripts, self._names)

    def _since(self) -> float:
        """Return the time of the first call to import: the last reset, else the cycle's beginning, or midnight.

        An imported call before the latter two is the first instead.
        """
        reset = self._budget.last_reset()
        if reset is not None:
            return reset
        begun = self._budget.cycle_start() or midnight(time.time())
        return min(begun, self._budget.ledger.earliest_import or begun)

    def _decided(self) -> Answer:
        """Return the answer by the ledger and the unwritten calls."""
        reply = self._refused()
        if reply is None:
            self._budget.check_writable()
        return reply or Answer()

    def _refused(self) -> Answer | None:
        error = self._budget.refusal(self._call.agent(self._names), unbooked=self._unbooked)
        return refused(self._call.hook_event_name, str(error)) if error else None

    def _warning(self, notes: Notes) -> Answer:
        """Return the warning if due, and the remarks: each once a session."""
        used, text = self._budget.usages()[0].by_all(), ""
        if not notes.warned and warning_due(self._config, used):
            notes.warned, text = True, warning_message(self._config, used)
        remarks = {**self._remarks, **{problem.kind: problem.message for problem in self._budget.set_aside}}
        fresh = [name for name in remarks if name not in notes.remarked]
        notes.remarked += fresh
        if not text and not fresh:
            return Answer()
        return allowed(self._call.hook_event_name, text, [f"budgauge: {remarks[name]}" for name in fresh])
