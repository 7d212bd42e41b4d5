"""Of the 5xx only 503 counts."""

CHANGES = (("error.status >= 500", "error.status == 503"),)
