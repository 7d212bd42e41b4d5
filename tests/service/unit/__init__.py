"""The service's parts one by one, on an injected clock: no sleeping. ``fakes.py`` has what stands in for the rest."""
