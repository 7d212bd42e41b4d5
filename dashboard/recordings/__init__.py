"""Recorded runs: kept as files, looked at without whoever made them (docs/recorded-runs.md). Read `listing.py` next."""

from .judged import Expectation, Judged, NoVerdict, judged, report
from .keeping import SETTLES_S, complete, first_request, record
from .listing import Broken, Recording, delete, recordings
from .predicted import NoPrediction, Prediction, predictions
from .replay import NoPicture, figures, picture, span
from .rows import NotKept
from .told import FaultWindow, Told

__all__ = [
    "SETTLES_S",
    "Broken",
    "Expectation",
    "FaultWindow",
    "Judged",
    "NoPicture",
    "NoPrediction",
    "NoVerdict",
    "NotKept",
    "Prediction",
    "Recording",
    "Told",
    "complete",
    "delete",
    "figures",
    "first_request",
    "judged",
    "picture",
    "predictions",
    "record",
    "recordings",
    "report",
    "span",
]
