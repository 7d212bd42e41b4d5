"""Layer 4: what outlives a request. Read ``threads.py``, then ``preferences.py`` and ``idempotency.py``."""
