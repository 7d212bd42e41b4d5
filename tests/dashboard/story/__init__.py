"""The story of a request: sentences, steps, attempts."""
