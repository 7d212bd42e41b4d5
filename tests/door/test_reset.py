"""`gauntlet reset`: deletes what is ours, asks first, refuses while something is up."""

from pathlib import Path

from tests.door.cli import Up, environment, gauntlet


def test_reset_deletes_state_and_logs_and_nothing_else(tmp_path: Path) -> None:
    for name in ("valkey", "collector", "logs", "photos"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    done = gauntlet("reset", "--yes", env=environment(tmp_path))
    assert (done.returncode, done.stdout) == (0, "deleted valkey, collector, logs\n")
    assert (tmp_path / "photos" / "file").exists()
    assert not (tmp_path / "valkey").exists()


def test_reset_without_a_terminal_and_without_yes_deletes_nothing(tmp_path: Path) -> None:
    (tmp_path / "valkey").mkdir()
    refused = gauntlet("reset", env=environment(tmp_path), said="y\n")
    assert refused.returncode == 1
    assert "repeat with --yes" in refused.stderr
    assert (tmp_path / "valkey").exists()


def test_reset_of_an_empty_home_says_so(tmp_path: Path) -> None:
    done = gauntlet("reset", env=environment(tmp_path))
    assert done.returncode == 0
    assert "nothing to delete" in done.stdout


def test_a_link_is_deleted_and_not_what_it_points_to(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    home = tmp_path / "home"
    home.mkdir()
    (home / "valkey").symlink_to(precious)
    assert gauntlet("reset", "--yes", env=environment(home)).returncode == 0
    assert precious.exists()
    assert not (home / "valkey").is_symlink()


def test_reset_refuses_while_up(workbench: Up) -> None:
    refused = gauntlet("reset", "--yes", env=workbench.env)
    assert refused.returncode == 1
    assert "down` ends it" in refused.stderr
    assert (workbench.home / "valkey").exists()
