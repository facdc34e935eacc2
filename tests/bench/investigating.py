"""Investigating a repository of 2,000 files again, unchanged, against the first time.

Half of it is Rust of the test's society, the rest our own Python and JavaScript; each file differs from the others, so
that nothing is kept for another one.
"""

import statistics
import tempfile
import time
from pathlib import Path

from tasks.investigating.investigation import Subject, investigate
from tasks.sites.search import hits_in
from tests.bench.results import Result
from tests.society import API, SOCIETY

ROOT = Path(__file__).parents[2]
FILES, ROUNDS = 2000, 3


def bench(*, rounds: int = ROUNDS) -> list[Result]:
    """The table's line."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "repository")
        write(root)
        pairs = []
        for number in range(rounds):
            kept = Path(folder, f"{number}.json")
            pairs.append((timed(root, kept), timed(root, kept)))
    first, second = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(again / once for once, again in pairs)
    name = f"investigating {FILES:,} files again"
    return [Result(name, second * 1e3, first * 1e3, "the first time", ratio, 0.20, "<=")]


def write(root: Path) -> None:
    rust = (SOCIETY / "now" / API / "src/routes/organizations.rs").read_text()
    rust += "".join(f"fn f{line}(x: u32) -> u32 {{ g::h{line}(x).max(1) }}\n" for line in range(150))
    python = (ROOT / "tasks/agents/issue_source.py").read_text()
    script = (ROOT / "dashboard/pages/agents.js").read_text()
    kinds = [("//", "rs", rust), ("#", "py", python), ("//", "rs", rust), ("//", "js", script)]
    for number in range(FILES):
        mark, suffix, text = kinds[number % len(kinds)]
        file = root / f"part{number % 100}" / f"file{number}.{suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{mark} {number}\n{text}")


def timed(root: Path, kept: Path) -> float:
    """Seconds."""
    start = time.perf_counter()
    found = investigate(Subject(root, "it"), None, addresses=hits_in, kept=kept)
    assert found.files == FILES
    return time.perf_counter() - start
