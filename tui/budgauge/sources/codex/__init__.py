"""Codex: rollouts and hooks."""
