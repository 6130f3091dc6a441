"""Programs that make, measure and check things for this project; the test harness."""

from __future__ import annotations

from pathlib import Path


CHECKOUT = Path(__file__).resolve().parents[1]
"""The root folder of the checkout."""
