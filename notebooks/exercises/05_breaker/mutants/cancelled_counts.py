"""Counts callers that go away as failures of the provider."""

CHANGES = (('verdict = "none"  # also when the caller goes away', 'verdict = "failure"'),)
