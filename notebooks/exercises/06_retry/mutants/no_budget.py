"""Retries as often as it likes."""

CHANGES = ((" or not budget.take()", ""),)
