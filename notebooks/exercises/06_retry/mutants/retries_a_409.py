"""Tries a 409 again, as the SDKs do: here it is any other 4xx."""

CHANGES = (("error.status in (408, 429)", "error.status in (408, 409, 429)"),)
