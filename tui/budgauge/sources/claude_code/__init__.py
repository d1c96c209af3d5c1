"""Claude Code: transcripts and hooks."""
