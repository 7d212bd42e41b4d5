"""Where the project is: what tests start, read and write is found from there."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
