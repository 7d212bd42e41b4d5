"""Counts whatever call raises: a client with a bug opens the circuit for all."""

CHANGES = (("return error.status is None or error.status == 408 or error.status >= 500", "return True"),)
