"""The configuration: values (model), files (find), and the join of layers (load)."""

from __future__ import annotations

from budgauge.config.model import BudgetConfig, Cycle, Notify, PriceOverride

__all__ = ["BudgetConfig", "Cycle", "Notify", "PriceOverride"]
