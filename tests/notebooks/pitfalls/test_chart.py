"""The chart: drawn without a browser, with the number, the guess and the marks in it."""

from pathlib import Path

from notebooks.pitfalls import chart

from . import made


def test_the_file_stands_alone_and_says_the_number(tmp_path: Path) -> None:
    path = chart.save(made.result(guess=90.0), tmp_path / "new")
    drawn = path.read_text()
    assert path.name == "07_health_calls_llm.svg"
    assert drawn.startswith("<svg")
    for words in ("Pitfall 7", "360", "your guess", "provider: 503", "restart", "noon"):
        assert words in drawn
    assert "<image" not in drawn
    assert "href=" not in drawn


def test_it_has_a_panel_for_the_number_and_one_for_each_form() -> None:
    result = made.result()
    assert len(result.chart().to_dict()["vconcat"]) == 1 + len(result.pitfall.forms)
