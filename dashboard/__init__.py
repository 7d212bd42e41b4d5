"""What watches the service: the OTLP collector with its store, and the pages that show it (DESIGN section 1).

Nothing here imports the service or the load tests: telemetry comes in over HTTP, and goes out as SQL over HTTP. Read
`collector/__init__.py` next.
"""
