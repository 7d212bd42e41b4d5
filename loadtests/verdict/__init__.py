"""Whether the promises held: measures of a run, the verdict, how it is shown. Read `evidence.py` next."""
