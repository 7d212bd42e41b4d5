"""The door: its pieces by themselves, then `gauntlet` as real processes."""
