"""Looks at the budget before the wait and takes from it afterwards: meanwhile all the others have looked, too."""

CHANGES = (
    (" or not budget.take()", " or budget.tokens < 1"),
    ("        await clock.sleep(wait_s)\n", ("        await clock.sleep(wait_s)\n        budget.take()\n")),
)
