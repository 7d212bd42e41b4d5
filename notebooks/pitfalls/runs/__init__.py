"""A file per pitfall: which load is put on, what breaks, what is counted, and what must differ. Read `all_sync.py`."""
