"""The collector of telemetry: its pieces by themselves, then as a process."""
