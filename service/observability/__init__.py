"""Layer 5: what the service tells about itself. Read ``telemetry.py`` first; ``docs/telemetry.md`` has the forms."""
