"""The work folder of builds: what was used last stays, and a killed build's scratch goes."""

import os
import time
from pathlib import Path

import pytest

from tasks.bundling.leftovers import LONGEST_BUILD_S, PACKAGES, SCRATCH, TARGETS, WHEELS, mark_used, tidy


def make(path: Path, *, age_s: float, folder: bool = False) -> Path:
    """A file, or a folder with one, that was used so long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if folder:
        path.mkdir()
        (path / "object").write_text("x")
    else:
        path.write_text("x")
    os.utime(path, (time.time() - age_s,) * 2)
    return path


@pytest.mark.parametrize(
    ("place", "ending", "count", "folder"),
    [(".", ".zip", PACKAGES, False), ("wheels", ".zip", WHEELS, False), ("cargo", "", TARGETS, True)],
)
def test_what_was_used_last_stays(tmp_path: Path, place: str, ending: str, count: int, *, folder: bool) -> None:
    made = [make(tmp_path / place / f"{n}{ending}", age_s=100 * n, folder=folder) for n in range(1, count + 3)]
    mark_used(made[-1])
    tidy(tmp_path)
    assert [path for path in made if path.exists()] == [*made[: count - 1], made[-1]]


def test_the_scratch_of_a_killed_build_goes_and_that_of_a_running_one_stays(tmp_path: Path) -> None:
    killed = [
        make(place / f"{SCRATCH}killed", age_s=2 * LONGEST_BUILD_S, folder=True)
        for place in (tmp_path, tmp_path / "wheels")
    ]
    running = make(tmp_path / f"{SCRATCH}running", age_s=60, folder=True)
    tidy(tmp_path)
    assert not any(path.exists() for path in killed)
    assert (running / "object").exists()


def test_an_empty_work_folder_is_tidy(tmp_path: Path) -> None:
    tidy(tmp_path / "not-there-yet")
