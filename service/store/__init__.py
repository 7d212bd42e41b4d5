"""State outside the process: one multiplexed Redis connection, a guard around it, scripts, and local copies.

Read ``connection.py``, then ``guard.py``, ``script.py`` and ``replica.py``.
"""
