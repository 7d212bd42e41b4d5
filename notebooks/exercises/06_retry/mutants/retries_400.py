"""Tries everything again, a 400 too."""

CHANGES = (("return error.status is None or error.status in (408, 429) or error.status >= 500", "return True"),)
