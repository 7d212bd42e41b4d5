"""Takes a 400 or 429 for a success, so it ends a row of failures."""

CHANGES = (('else "none"', 'else "success"'),)
