"""The benchmark: what the service costs beside a bare handler, measured in one run on one pinned core.

Serves the design's speed goals: misses, hits, added latency, slow upstreams, a dying store, and round trips to Redis.
Nothing here is a test: a figure is printed beside its goal with yes or no. Figures from a shared machine are noisy, so
subjects are compared within a round, and medians come with their range.

Read `run.py` next: the list of benchmarks. Then `subjects.py` for who is measured, and `load.py` for how.
"""
