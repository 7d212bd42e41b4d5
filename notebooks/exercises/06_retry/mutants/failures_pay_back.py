"""Every request pays in, a failed one too: an outage earns its own retries."""

CHANGES = (
    ("    for attempt in range", ("    budget.pay_back()\n    for attempt in range")),
    (("            budget.pay_back()\n            return answer"), "            return answer"),
)
