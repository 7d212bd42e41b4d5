"""What a person may turn, from every page: faults, stages, the warm-up client. Read `sidebar.py` first."""
