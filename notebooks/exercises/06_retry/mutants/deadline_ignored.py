"""Knows of no deadline."""

CHANGES = (("is_last = attempt == attempts or clock.now() + wait_s >= deadline_s", "is_last = attempt == attempts"),)
