"""Error codes of our own, beside those of JSON-RPC."""

from __future__ import annotations

OVER_LIMIT, OVER_BUDGET, RESET_BETWEEN, NO_RESERVATION, OTHER_CONTENT, NO_LEDGER, NOT_ALLOWED = range(1001, 1008)
TOO_LONG = 1008
"""Codes of our own: refused by an agent's or a family's limit, by the total; someone reset in between; there is no
such reservation, or it has ended; the id is known with other content; the ledger cannot be read or written; no
token, or a wrong one; the answers of a batch would be too long."""
