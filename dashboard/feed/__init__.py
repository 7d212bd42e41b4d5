"""What happened, second by second, at hand without asking for all of it again. Read `feed.py` first."""
