"""Error codes beside those of JSON-RPC."""

from __future__ import annotations

OVER_LIMIT = 1001
"""An agent's or a family's limit refused the call."""
OVER_BUDGET = 1002
"""The total budget refused the call."""
RESET_BETWEEN = 1003
"""Someone reset, or undid a reset, in between."""
NO_RESERVATION = 1004
"""The reservation does not exist, or has ended."""
OTHER_CONTENT = 1005
"""The id is known with other content."""
NO_LEDGER = 1006
"""The ledger cannot be read or written."""
NOT_ALLOWED = 1007
"""The token is missing or wrong, the user is another, or there are too many connections."""
TOO_LONG = 1008
"""The answers of a batch would be too long."""
