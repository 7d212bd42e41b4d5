"""What happened to one request, told in words. Read `steps.py` first."""
