"""The system under test: a chat service whose every call runs the gauntlet. Read ``app.py`` first."""
