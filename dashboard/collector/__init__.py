"""The collector: takes OTLP over HTTP, keeps it in a DuckDB file, answers SQL (docs/telemetry.md).

    OTLP ─► app ─► otlp ─► spans, metrics, logs ─► writer ─► store (DuckDB)
    SQL  ─► app ─► query, lookups ─────────────────────────► store

What is accepted is committed within a second; a stop by signal loses nothing. Run it with
`python -m dashboard.collector`. Read `app.py` next: what is served; then `writer.py` for the way into the file.
"""
