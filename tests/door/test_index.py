"""`gauntlet index` sends what has changed, takes out what is gone, and refuses clearly what it cannot read."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from door.documents import File
from door.index import BATCH_DOCUMENTS, BATCH_REMOVED, _batches
from tests.settings import QUICK
from tests.stack import Stack

from .cli import environment, gauntlet


@pytest.fixture(scope="module")
def indexing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack.start(tmp_path_factory.mktemp("indexing"), workers=1, toml=QUICK)
    yield stack
    stack.end()


def index(stack: Stack, home: Path, *words: str) -> tuple[int, str]:
    done = gauntlet("index", *words, "--url", stack.url, env=environment(home))
    return done.returncode, done.stdout + done.stderr


def test_only_what_has_changed_is_sent(indexing: Stack, tmp_path: Path) -> None:
    folder = tmp_path / "wiki"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.md").write_text("# A\n\n## One\n\nFirst.\n\n## Two\n\nSecond.\n")
    (folder / "deep" / "b.markdown").write_text("Plain words.\n")
    (folder / "c.txt").write_text("Not Markdown.\n")
    code, said = index(indexing, tmp_path, str(folder), "--dry-run")
    assert (code, "3 would be added" in said) == (0, True), said
    code, said = index(indexing, tmp_path, str(folder))
    assert (code, "2 files, 2 sent, 0 taken out" in said, "3 added" in said) == (0, True, True), said
    code, said = index(indexing, tmp_path, str(folder))
    assert (code, "2 files, 0 sent" in said) == (0, True), said
    (folder / "a.md").write_text("# A\n\n## One\n\nFirst of all.\n\n## Two\n\nSecond.\n")
    (folder / "deep" / "b.markdown").unlink()
    code, said = index(indexing, tmp_path, str(folder))
    assert (code, "0 added, 1 changed, 1 removed, 1 unchanged" in said) == (0, True), said
    code, said = index(indexing, tmp_path, str(folder), "--remove")
    assert (code, "2 removed" in said) == (0, True), said
    code, said = index(indexing, tmp_path, str(folder), "--remove")
    assert (code, "nothing is indexed under 'wiki'" in said) == (1, True), said


def test_a_file_is_called_without_its_ending_and_can_be_taken_out_when_it_is_gone(
    indexing: Stack, tmp_path: Path
) -> None:
    note, other = tmp_path / "note.md", tmp_path / "other.md"
    for file in (note, other):
        file.write_text("# Zebras\n\nZebras retry with stripes.\n")
        code, said = index(indexing, tmp_path, str(file))
        assert (code, "1 file, 1 sent" in said) == (0, True), said
    note.unlink()
    code, said = index(indexing, tmp_path, str(note), "--remove")
    assert (code, "1 taken out" in said) == (0, True), said
    code, said = index(indexing, tmp_path, str(note), "--remove")
    assert (code, "nothing is indexed under 'note'; what is indexed is called " in said) == (1, True), said
    assert index(indexing, tmp_path, str(other), "--remove")[0] == 0


def test_what_cannot_be_read_is_named_and_nothing_is_sent(indexing: Stack, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "good.md").write_text("Good.\n")
    (folder / "latin.md").write_bytes(b"caf\xe9")
    (folder / "huge.md").write_text("x" * (1024 * 1024 + 1))
    code, said = index(indexing, tmp_path, str(folder))
    assert code == 2
    for words in ("latin.md: no UTF-8", "huge.md: 1,048,577 bytes", "nothing was"):
        assert words in said, said
    assert "nothing is indexed under 'broken'" in index(indexing, tmp_path, str(folder), "--remove")[1]


def test_a_document_without_text_is_left_out_and_said_and_stops_no_other(indexing: Stack, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    for n in range(60):  # more than one request takes
        (folder / f"{n:02}.md").write_text(f"# Page {n}\n\nWords of page {n}.\n")
    (folder / "54.md").write_text("# A title only\n")
    (folder / "55.md").write_text("---\ntitle: front matter only\n---\n")
    (folder / "56.md").write_text(" \n")
    code, said = index(indexing, tmp_path, str(folder), "--dry-run")
    assert (code, "57 would be added" in said, "3 without text" in said) == (0, True, True), said
    code, said = index(indexing, tmp_path, str(folder))
    assert (code, "60 sent" in said, "57 added" in said, "site/54.md, site/55.md" in said) == (0, *[True] * 3), said
    assert "60 files, 0 sent" in index(indexing, tmp_path, str(folder))[1]
    (folder / "00.md").write_text("# Page 0\n")
    code, said = index(indexing, tmp_path, str(folder))
    assert (code, "1 removed" in said, "1 without text" in said) == (0, True, True), said
    assert index(indexing, tmp_path, str(folder), "--remove")[0] == 0


def test_a_name_that_others_have_is_not_taken_over_unasked(indexing: Stack, tmp_path: Path) -> None:
    one, other = tmp_path / "one" / "docs", tmp_path / "other" / "docs"
    for folder, names in ((one, "abcd"), (other, "xy")):
        folder.mkdir(parents=True)
        for name in names:
            (folder / f"{name}.md").write_text(f"Words of {name}.\n")
    assert index(indexing, tmp_path, str(one))[0] == 0
    for words in ([str(other)], [str(other), "--dry-run"], [str(other), "--name", "docs"]):
        code, said = index(indexing, tmp_path, *words)
        assert code == 2, said
        for part in ("all 4 documents under 'docs'", "docs/a.md", "--name NAME", "--replace"):
            assert part in said, said
    assert "4 files, 0 sent, 0 taken out" in index(indexing, tmp_path, str(one))[1]
    assert "2 sent, 0 taken out" in index(indexing, tmp_path, str(other), "--name", "docs-of-other")[1]
    assert "2 sent, 4 taken out" in index(indexing, tmp_path, str(other), "--replace")[1]
    for name in ("docs", "docs-of-other"):
        assert index(indexing, tmp_path, name, "--remove")[0] == 0


def test_what_ships_is_not_mixed_with_a_file_of_the_same_name(indexing: Stack, tmp_path: Path) -> None:
    """Whether it is indexed already or not yet."""
    (tmp_path / "handbook.md").write_text("Words.\n")
    code, said = index(indexing, tmp_path, str(tmp_path / "handbook.md"))
    assert (code, "that ship are called 'handbook'; name these with --name" in said) == (2, True), said
    code, said = index(indexing, tmp_path, str(tmp_path / "gone" / "handbook.md"), "--remove")
    assert (code, "that ship are called 'handbook'; name these with --name" in said) == (2, True), said


def test_most_of_a_folder_does_not_go_unasked_but_less_does(indexing: Stack, tmp_path: Path) -> None:
    folder = tmp_path / "mount"
    folder.mkdir()
    for name in "abcd":
        (folder / f"{name}.md").write_text(f"Words of {name}.\n")
    index(indexing, tmp_path, str(folder))
    for name in "ab":
        (folder / f"{name}.md").unlink()
    code, said = index(indexing, tmp_path, str(folder))
    assert (code, "2 taken out" in said) == (0, True), said
    (folder / "e.md").write_text("Words of e.\n")
    index(indexing, tmp_path, str(folder))
    for name in "cd":
        (folder / f"{name}.md").unlink()
    code, said = index(indexing, tmp_path, str(folder))
    assert (code, "2 of the 3 documents under 'mount'" in said) == (2, True), said
    assert index(indexing, tmp_path, str(folder), "--replace")[0] == 0
    assert index(indexing, tmp_path, str(folder), "--remove")[0] == 0


def test_what_is_gone_goes_last_and_in_batches() -> None:
    new = [File(f"x/{n}.md", "Words.", "0") for n in range(BATCH_DOCUMENTS + 1)]
    gone = [f"y/{n}.md" for n in range(2 * BATCH_REMOVED + 1)]
    sent = list(_batches(new, gone))
    assert [(len(some), len(removed)) for some, removed in sent] == [
        (BATCH_DOCUMENTS, 0), (1, 0), (0, BATCH_REMOVED), (0, BATCH_REMOVED), (0, 1),
    ]  # fmt: skip
    assert [path for _, removed in sent for path in removed] == gone


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nowhere"], 2, "neither a file nor a folder"),
        (["."], 2, "cannot name"),
        ([".", "--name", "a/b"], 2, "cannot name"),
        (["x" * 300], 2, "cannot be read"),
    ],
)
def test_wrong_usage_says_what_to_do(indexing: Stack, tmp_path: Path, words: list[str], code: int, said: str) -> None:
    if words == ["."]:
        words = [str(tmp_path), "--name", "x#y"]
    got = index(indexing, tmp_path, *words)
    assert (got[0], said in got[1]) == (code, True), got


def test_who_is_no_admin_is_told_so(indexing: Stack, tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text("Words.\n")
    code, said = index(indexing, tmp_path, str(tmp_path / "x.md"), "--key", "demo-alice")
    assert (code, "403" in said) == (1, True), said
