"""Each request begins with a budget of its own."""

CHANGES = (("    for attempt in range", ("    budget = Budget(budget.tokens)\n    for attempt in range")),)
