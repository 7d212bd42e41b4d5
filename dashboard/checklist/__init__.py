"""The ten items of the operations list with what can be seen of each right now. Read `items.py` first."""
