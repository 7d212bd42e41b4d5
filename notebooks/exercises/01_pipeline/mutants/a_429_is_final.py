"""Takes a 429 for a request that is wrong."""

CHANGES = (("error.status in (408, 429) or", "error.status == 408 or"),)
