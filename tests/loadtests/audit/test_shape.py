"""audit.toml: the example says what the defaults are, and what is wrong is named."""

import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from loadtests.audit.shape import EXAMPLE, Shape, ShapeError, Source, address, read, secret


def test_the_example_is_the_defaults() -> None:
    assert read(EXAMPLE) == Shape()


def test_the_example_names_every_line_of_every_table() -> None:
    document = tomllib.loads(EXAMPLE.read_text())
    for name in Shape.model_fields:
        assert name in document
        part = Shape.model_fields[name].default
        if isinstance(part, BaseModel):
            assert set(document[name]) >= set(type(part).model_fields) - {"users", "fields"}, name
    assert set(document["hit_rate"]["source"]) == set(Source.model_fields)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chat = ", "is no TOML"),
        ("[chat]\npaht = 1", "chat.paht: Extra inputs are not permitted"),
        ("[bounds]\nflood = 0", "bounds.flood: Input should be greater than or equal to 1"),
        ('[hit_rate]\nhits = { json_path = "a", regex = "b" }', "say either json_path or regex"),
        ('[[logs]]\nurl = "http://x"\nfiles = ["x"]', "either a url, or a command, or files"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "audit.toml"
    path.write_text(text)
    with pytest.raises(ShapeError, match=r"audit\.toml") as raised:
        read(path)
    assert said in str(raised.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="cannot be read"):
        read(tmp_path / "none.toml")


def test_a_key_may_be_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALICE_KEY", "sk-alice")
    assert [secret("$ALICE_KEY"), secret("plain")] == ["sk-alice", "plain"]
    with pytest.raises(ShapeError, match="no BOB_KEY"):
        secret("$BOB_KEY")


def test_the_file_in_the_documentation_is_one(tmp_path: Path) -> None:
    text = (EXAMPLE.parents[2] / "docs" / "audit.md").read_text()
    path = tmp_path / "audit.toml"
    path.write_text(text.split("```toml\n")[1].split("```")[0])
    assert read(path).chat.answer == "choices.0.message.content"


def test_an_address_is_the_same_by_any_name_of_this_machine_and_without_secrets() -> None:
    assert address("http://localhost:8000/") == address("http://127.0.0.1:8000") == ("127.0.0.1", 8000)
    assert address("redis://:secret@example.com:6379/0") == ("example.com", 6379)
