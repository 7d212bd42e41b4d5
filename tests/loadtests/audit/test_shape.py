"""audit.toml: the example says what the defaults are, and what is wrong is named."""

import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from loadtests.audit.shape import EXAMPLE, Bounds, Shape, ShapeError, Source, address, bare, read, secret


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
        ('[hit_rate]\nhits = { regex = "(" }', "is no regex"),
        ("[providers]\ntargets = []", "providers.targets"),
        ('[providers]\nreset = "POST"', "providers.reset"),
        ('[chat]\nfields = { messages = [] }\nquestion = "messages.content"', "'messages.content' to fill in"),
        ('[refund]\nbody = { sum = 1 }\namount = "sum.cents"', "'sum.cents' to fill in"),
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


def test_the_file_for_the_poc_is_one() -> None:
    assert read(EXAMPLE.with_name("poc.toml")).profile == "workbench"


def test_an_address_is_the_same_by_any_name_of_this_machine_and_without_secrets() -> None:
    assert address("http://localhost:8000/") == address("http://127.0.0.1:8000") == ("127.0.0.1", 8000)
    assert address("redis://:secret@example.com:6379/0") == ("example.com", 6379)


def test_a_url_is_told_without_who_and_without_its_query() -> None:
    assert bare("http://user:secret@127.0.0.1:8000/a?key=secret") == "http://127.0.0.1:8000/a"
    assert bare("user@example.com") == "user@example.com"


def test_a_base_url_needs_no_slash_at_its_end() -> None:
    assert Shape(service="http://127.0.0.1:9/", replicas=("http://127.0.0.1:8/",)).replicas == ("http://127.0.0.1:8",)


def test_a_fault_lasts_longer_than_what_is_asked_meanwhile() -> None:
    bounds = Bounds(answer_within_s=60, failing=40)
    assert bounds.fault_s > 60 * (40 / 4 + 1)
