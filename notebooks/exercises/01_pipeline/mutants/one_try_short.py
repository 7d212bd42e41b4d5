"""Makes three tries where four are allowed."""

CHANGES = (("for number in range(ATTEMPTS - 1)", "for number in range(ATTEMPTS - 2)"),)
