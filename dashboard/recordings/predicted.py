"""What somebody predicted of a run, and what came: `prediction.json` (docs/recorded-runs.md). Read `judged.py` next."""

from pydantic import BaseModel, TypeAdapter, ValidationError

from .listing import PREDICTION, Recording


class NoPrediction(ValueError):
    """There is a prediction, and it cannot be read; the words say why."""


class Prediction(BaseModel, frozen=True):
    """One figure, in words with its unit: the question, what was guessed, what came, and how near that is."""

    words: str
    predicted_said: str
    measured_said: str
    nearness: str = ""


_ALL = TypeAdapter(tuple[Prediction, ...])


def predictions(recording: Recording) -> tuple[Prediction, ...]:
    """All of a run; none for a run of which nobody predicted anything. Raises NoPrediction."""
    try:
        return _ALL.validate_json((recording.folder / PREDICTION).read_bytes())
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise NoPrediction(f"{PREDICTION} cannot be read ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise NoPrediction(f"{PREDICTION} cannot be read ({where + ': ' if where else ''}{first['msg']})") from error
