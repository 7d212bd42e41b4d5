"""Every notebook runs to its end in a kernel, as a reader would run it, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from notebooks import pairing
from notebooks.pictures.rendering import PNG, VEGALITE
from tests.door.cli import eventually
from tests.notebooks.kernel import Reader

NOTEBOOKS = [source.with_suffix(".ipynb") for source in pairing.sources()]


@pytest.mark.timeout(330)  # half a minute, on a machine that is neither slow nor busy
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_to_its_end_shows_pictures_and_leaves_nothing_behind(path: Path, tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    notebook = reader.runs(path)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output["text"] for output in outputs if output.get("name") == "stderr"]
    pictures = [output.data for output in outputs if VEGALITE in output.get("data", ())]
    assert pictures, "a notebook shows what it says"
    assert all(picture[PNG] for picture in pictures)
    eventually(lambda: not reader.processes(), f"all gone: {reader.processes()}", bound_s=30)
    assert not list(tmp_path.glob("gauntlet-*"))


def test_there_are_some() -> None:
    assert [path.stem[:2] for path in NOTEBOOKS] == [f"{number:02}" for number in range(13)]
