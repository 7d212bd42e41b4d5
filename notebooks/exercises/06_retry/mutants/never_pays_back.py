"""What is spent is spent: after the first outage nothing is retried any more."""

CHANGES = (("            budget.pay_back()\n", ""),)
