"""Claude Code: its transcripts and its hooks."""
