"""Whatever of a folder cannot be seen or sent is a fault, so that nothing passes for gone that is only out of sight."""

import os
from pathlib import Path

import pytest

from door.documents import MOST_PATH, files_of
from door.errors import UsageError


def folder_with(home: Path, *names: str) -> Path:
    for name in ("good.md", *names):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("Words.\n")
    return home


def test_markdown_is_found_below_and_what_is_hidden_or_of_another_kind_is_not(tmp_path: Path) -> None:
    folder_with(tmp_path, "b/deep.MARKDOWN", "a/x.md", "a/x.txt", ".hidden.md", ".git/x.md")
    files, linked = files_of(tmp_path, "docs")
    assert [file.path for file in files] == ["docs/a/x.md", "docs/b/deep.MARKDOWN", "docs/good.md"]
    assert linked == []


def test_a_folder_that_cannot_be_opened_is_a_fault_unless_it_is_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_with(tmp_path, "shut/x.md", ".shut/x.md")
    opened = os.scandir

    def refusing(path: str) -> object:
        if Path(path).name.endswith("shut"):
            raise PermissionError(13, "Permission denied", path)
        return opened(path)

    monkeypatch.setattr(os, "scandir", refusing)  # modes of files do not stop an administrator
    with pytest.raises(UsageError) as stopped:
        files_of(tmp_path, "docs")
    assert str(stopped.value).splitlines()[1:] == [f"{tmp_path}/shut: Permission denied"]


def test_links_that_lead_nowhere_are_faults_and_links_to_folders_are_named(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "docs", "sub/x.md")
    elsewhere = folder_with(tmp_path / "elsewhere")
    (folder / "linked").symlink_to(elsewhere)
    (folder / "file.md").symlink_to(elsewhere / "good.md")
    files, linked = files_of(folder, "docs")
    assert [file.path for file in files] == ["docs/file.md", "docs/good.md", "docs/sub/x.md"]
    assert linked == [str(folder / "linked")]
    (folder / "gone.md").symlink_to(tmp_path / "nowhere.md")
    (folder / "loop.md").symlink_to(folder / "loop.md")
    with pytest.raises(UsageError) as stopped:
        files_of(folder, "docs")
    assert [fault.split(": ")[1][:9] for fault in str(stopped.value).splitlines()[1:]] == ["it is a l"] * 2


def test_what_the_service_would_refuse_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    folder_with(tmp_path, "/".join(["d" * 200] * 3) + "/x.md", "a#b.md")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.md")).write_text("Words.\n")
    os.mkfifo(tmp_path / "pipe.md")
    (tmp_path / "nul.md").write_text("a\0b")
    with pytest.raises(UsageError) as stopped:
        files_of(tmp_path, "docs")
    said = str(stopped.value)
    for words in ("no UTF-8; rename", f"may have {MOST_PATH}", "characters # and ~", "no regular file", "NUL"):
        assert words in said, said
    assert "good.md" not in said


def test_a_folder_without_markdown_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no Markdown"):
        files_of(tmp_path, "docs")
