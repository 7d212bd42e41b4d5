"""Retrieval quality on the Experiments page: how often each step of the search finds the right passage.

`make bench-retrieval` measures and keeps it beside the runs; a result of the project's own is shown until then. Read
`experiments_words.py` next.
"""

from typing import Annotated

import pandas as pd  # type: ignore[import-untyped]
import streamlit as st
from pydantic import BaseModel, Field, ValidationError

from ..look.glossary import explained
from ..settings import current
from .experiments_words import when

KEPT = "retrieval.json"
MOST_ROWS = 200
Part = Annotated[float, Field(ge=0, le=1)]


class Row(BaseModel):
    """One step of the search and one kind of question; `all` is a kind too."""

    mode: str = Field(max_length=40)
    kind: str = Field(max_length=40)
    questions: int = Field(ge=1)
    recall: Part
    mrr: Part


class Result(BaseModel):
    """What was measured; `at` in Unix seconds."""

    at: float = Field(ge=0, le=4_102_444_800)
    recall_at: int = Field(ge=1)
    rows: list[Row] = Field(min_length=1, max_length=MOST_ROWS)


def show() -> None:
    """The table, if there is a result at all."""
    own = current().runs.parent / KEPT
    path = own if own.is_file() else current().shipped_runs / KEPT
    if not path.is_file():
        return
    st.markdown("**Retrieval quality**", help=explained("retrieval quality"))
    try:
        result = Result.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        st.warning(f"`{path.name}` cannot be read as a result; `make bench-retrieval` makes a new one.")
        return
    whence = "Measured" if path == own else "Ships with the project, measured"
    st.caption(
        f"{whence} {when(result.at)}. Each cell is recall@{result.recall_at} / MRR, for one kind of question and how "
        "many there are of it. `make bench-retrieval` measures anew; switch `rerank` or `retrieval` off in the sidebar "
        "to see a step's worth in answers."
    )
    st.dataframe(frame(result), hide_index=True, width="stretch", key="experiments_quality")


def frame(result: Result) -> pd.DataFrame:
    """Steps as rows, kinds of question as columns."""
    cells: dict[str, dict[str, str]] = {}
    for row in result.rows:
        column = f"{row.kind} ({row.questions})"
        cells.setdefault(row.mode, {"Search": row.mode})[column] = f"{row.recall:.2f} / {row.mrr:.3f}"
    return pd.DataFrame(list(cells.values()))
