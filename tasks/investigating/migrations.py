"""Directories of migrations, read without a database: what they make, and what no runner would apply."""

import posixpath
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from database import sql_text
from database.migration_errors import BadDirectory
from database.migration_files import Migration, load
from tasks.investigating.model import Made, Migrations, Place

FILE = re.compile(r"^\d+_.+\.sql$")
MAKES = re.compile(
    r"^CREATE (?:OR REPLACE )?(?:MATERIALIZED |UNLOGGED )?(TABLE|VIEW|TYPE) (?:IF NOT EXISTS )?(\S+)(.*)",
    re.IGNORECASE,
)
DROPS = re.compile(r"^DROP (TABLE|VIEW|TYPE) (?:IF EXISTS )?(\S+)", re.IGNORECASE)
WORDS = 12
"""Tokens at the beginning of a statement that say what it makes."""


def read_migrations(folder: Path, paths: Iterable[str]) -> list[Migrations]:
    """Every directory with files that are called like migrations."""
    names = {posixpath.dirname(path) for path in paths if FILE.match(path.rsplit("/", 1)[-1])}
    return [read_directory(folder, name) for name in sorted(names)]


def read_directory(folder: Path, name: str) -> Migrations:
    """One directory. What sqlx would refuse is a problem, and what can be read is read all the same."""
    try:
        found, problems = load(folder / name), list[str]()
    except BadDirectory as error:
        found, problems = readable(folder / name), [problem.replace(f"{folder}/", "") for problem in error.problems]
    made: dict[str, Made] = {}
    for migration in found:
        if not migration.is_down:
            file = Path(migration.file).relative_to(folder).as_posix()
            apply_statements(made, file, migration.sql.decode(errors="replace"))
    return Migrations(name, [Path(one.file).name for one in found if not one.is_down], [*made.values()], problems)


def readable(directory: Path) -> list[Migration]:
    """What of a refused directory can be read: files with a version, in the order of their names."""
    files = sorted(
        path for path in directory.iterdir() if FILE.match(path.name) and not path.name.endswith(".down.sql")
    )
    return [Migration(int(path.name.partition("_")[0]), path.stem, "simple", str(path), path.read_bytes(), b"")
            for path in files if path.is_file()]  # fmt: skip


def apply_statements(made: dict[str, Made], file: str, sql: str) -> None:
    """Put what these statements make into `made`, and take out what they drop."""
    for first, last, words in statements(sql):
        if found := MAKES.match(words):
            kind, name = found[1].lower(), bare(found[2])
            if kind != "type" or re.match(r"^ AS ENUM\b", found[3], re.IGNORECASE):
                place = Place(file, first, last)
                made[name] = Made("enum" if kind == "type" else "view" if kind == "view" else "table", name, place)
        elif found := DROPS.match(words):
            made.pop(bare(found[2]), None)


def bare(name: str) -> str:
    return name.rpartition(".")[2].strip('"')


def statements(sql: str) -> Iterator[tuple[int, int, str]]:
    """First line, last line and first words of each statement."""
    starts = [*sql_text.statement_starts(sql), len(sql)]
    for start, end in pairwise(starts):
        words, last = list[str](), start
        for offset, token in sql_text.tokens(sql[start:end]):
            last = start + offset + len(token)
            if len(words) < WORDS:
                words.append(token)
        yield line(sql, start), line(sql, last), glued(words)


def line(sql: str, offset: int) -> int:
    return sql.count("\n", 0, offset) + 1


def glued(words: list[str]) -> str:
    """The tokens with spaces between words: `public . users (` is `public.users (`."""
    return re.sub(r" ?\. ?", ".", " ".join(words))
