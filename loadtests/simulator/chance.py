"""Chance that repeats: every draw is a hash of the seed and of what the call says about itself (DESIGN section 5).

A draw does not depend on the order in which calls arrive, so the same seed and the same requests meet the same faults
and the same latencies at any concurrency. Read `timeline.py` next: it decides with these draws.
"""

from __future__ import annotations

import math
from hashlib import blake2b
from statistics import NormalDist

_NORMAL = NormalDist()
_SCALE = 2.0**-53


def unit(*parts: object) -> float:
    """Return a number in (0, 1) that is a function of `parts` alone, uniform over different parts."""
    digest = blake2b("\x1f".join(map(str, parts)).encode("utf-8", "replace"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) * _SCALE + _SCALE / 2


def lognormal_factor(sigma: float, draw: float) -> float:
    """Turn a uniform `draw` in (0, 1) into a lognormal factor with median 1 and shape `sigma` (0 gives exactly 1)."""
    return math.exp(sigma * _NORMAL.inv_cdf(draw)) if sigma else 1.0
