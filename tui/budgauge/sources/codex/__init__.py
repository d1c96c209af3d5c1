"""Codex: its rollouts and its hooks."""
