"""Waits and tries again where the circuit is open."""

CHANGES = (
    (
        "            if not is_providers_fault(error):\n                raise\n        await",
        (
            "            if not is_providers_fault(error):\n"
            "                raise\n"
            "        except CircuitOpen:\n"
            "            pass\n"
            "        await"
        ),
    ),
    (
        "A bad moment passes. CircuitOpen is not caught: an open circuit retries nothing.",
        "A bad moment passes.",
    ),
)
