"""Calls a request answered when a provider has said 200 to it, whatever stood in the answer."""

CHANGES = (
    (
        "cost = sum(one.cost_nano_usd or 0 for one in attempts)",
        (
            "cost = sum(one.cost_nano_usd or 0 for one in attempts)\n"
            "        outcome = 'answered' if 200 in [one.status for one in attempts] else outcome"
        ),
    ),
)
