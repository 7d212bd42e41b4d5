"""Of the requests that are wrong it knows those with 400 alone."""

CHANGES = (("error.status is None or error.status in (408, 429) or error.status >= 500", "error.status != 400"),)
