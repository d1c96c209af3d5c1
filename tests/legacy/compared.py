"""What an earlier version reported beside what the present one does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CORRECTIONS = json.loads((Path(__file__).parent / "corrections.json").read_text(encoding="utf-8"))
"""By ledger or home, then by key of the status: `value` is right now, `reason` says why."""


def corrected(name: str, status: dict[str, Any]) -> dict[str, Any]:
    """What the earlier version reported, with what is corrected by now."""
    return status | {key: correction["value"] for key, correction in CORRECTIONS.get(name, {}).items()}


def narrowed(shown: object, expected: object) -> object:
    """What is shown without the keys that were not expected; of problems, the words may have changed."""
    if isinstance(shown, dict) and isinstance(expected, dict):
        if shown.keys() == {"kind", "count", "message"}:
            return {**shown, "message": expected["message"]}
        return {key: narrowed(value, expected[key]) for key, value in shown.items() if key in expected}
    if isinstance(shown, list) and isinstance(expected, list) and len(shown) == len(expected):
        return [narrowed(*pair) for pair in zip(shown, expected, strict=True)]
    return shown
