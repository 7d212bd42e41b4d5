"""Layer 1: what happens to a request before and after its track.

In the order in which a request meets them: ``health.py``, ``context.py`` with ``auth.py``, ``admission.py``,
``direct.py``, ``body.py``, then a track; ``problems.py`` on the way out when something was wrong, ``events.py`` for
streams.
"""
