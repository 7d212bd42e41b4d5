"""Tests of `dashboard/collector`; `making.py` makes what they send."""
