"""The gauntlet: cache, rate_limit, fallback, and per rung retry, breaker, bulkhead around call.

Read ``ask.py`` and ``reply.py`` (what travels), ``chain.py`` (how the stages compose), then one file per stage in their
order.
"""
