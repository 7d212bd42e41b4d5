"""The three that the dashboard asks over HTTP: collector, service, simulator. Read `http.py` first."""
