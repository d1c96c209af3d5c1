"""The configuration: what it is (model), where it lies (find), and how its layers join (load)."""

from __future__ import annotations

from budgauge.config.model import BudgetConfig, Cycle, Notify, PriceOverride

__all__ = ["BudgetConfig", "Cycle", "Notify", "PriceOverride"]
