"""Only a call that succeeds at once pays back."""

CHANGES = (("            budget.pay_back()\n", "            if attempt == 1:\n                budget.pay_back()\n"),)
