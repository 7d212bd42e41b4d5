"""`python -m loadtests.bench`: see `run.py`."""

from loadtests.bench.run import main

raise SystemExit(main())
