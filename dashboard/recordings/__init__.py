"""Recorded runs: kept as files, looked at without whoever made them (docs/recorded-runs.md). Read `listing.py` next."""

from .keeping import SETTLES_S, NotKept, first_request, record
from .listing import Broken, Recording, delete, recordings
from .replay import NoPicture, figures, picture, span

__all__ = [
    "SETTLES_S",
    "Broken",
    "NoPicture",
    "NotKept",
    "Recording",
    "delete",
    "figures",
    "first_request",
    "picture",
    "record",
    "recordings",
    "span",
]
