"""`gauntlet index` sends what has changed, takes out what is gone, and refuses clearly what it cannot read."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import QUICK, Stack

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


def test_what_cannot_be_read_is_named_and_nothing_is_sent(indexing: Stack, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "good.md").write_text("Good.\n")
    (folder / "latin.md").write_bytes(b"caf\xe9")
    (folder / "empty.md").write_text(" \n")
    (folder / "huge.md").write_text("x" * (1024 * 1024 + 1))
    code, said = index(indexing, tmp_path, str(folder))
    assert code == 2
    for words in ("latin.md: no UTF-8", "empty.md: there is no text", "huge.md: 1,048,577 bytes", "nothing was"):
        assert words in said, said
    assert "nothing is indexed under 'broken'" in index(indexing, tmp_path, str(folder), "--remove")[1]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nowhere"], 2, "neither a file nor a folder"),
        (["."], 2, "cannot name"),
        ([".", "--name", "a/b"], 2, "cannot name"),
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
