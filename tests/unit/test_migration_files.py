"""sqlx's file grammar, and the problems that are told before a database is touched."""

import hashlib
import os
from pathlib import Path
from random import Random

import pytest

from database.migration_errors import BadDirectory
from database.migration_files import load
from database.migration_ledger import lock_key

OURS = Path(__file__).parents[2] / "migrations"


def made(directory: Path, *names: str, sql: bytes = b"SELECT 1;\n") -> Path:
    for name in names:
        (directory / name).write_bytes(sql)
    return directory


@pytest.mark.parametrize(
    ("name", "version", "kind", "description"),
    [
        ("20251024000000_initial_schema.sql", 20251024000000, "simple", "initial schema"),
        ("1_a.up.sql", 1, "up", "a"),
        ("1_a.down.sql", 1, "down", "a"),
        ("1_.sql", 1, "simple", ""),
        ("0001_x.sql", 1, "simple", "x"),
        ("+7_x.sql", 7, "simple", "x"),
        ("-7_x.sql", -7, "simple", "x"),
        ("0_x.sql", 0, "simple", "x"),
        ("9223372036854775807_x.sql", 2**63 - 1, "simple", "x"),
        ("-9223372036854775808_x.sql", -(2**63), "simple", "x"),
        ("1_foo.sql.sql", 1, "simple", "foo"),
        ("1_foo.up.sql.up.sql", 1, "up", "foo"),
        ("1_foo.sql.up.sql", 1, "up", "foo.sql"),
        ("1_foo.up.sql.sql", 1, "simple", "foo.up"),
        ("1_a__b_.sql", 1, "simple", "a  b "),
        ("1_日本.sql", 1, "simple", "日本"),
    ],
)
def test_a_name_is_read_as_sqlx_reads_it(tmp_path: Path, name: str, version: int, kind: str, description: str) -> None:
    (migration,) = load(made(tmp_path, name))
    assert (migration.version, migration.kind, migration.description) == (version, kind, description)
    assert migration.file.endswith(name)


@pytest.mark.parametrize("name", ["README.md", "foo.sql", "1_a.SQL", "1_a.sql.backup", "1.sql", "a_b.txt", ".gitkeep"])
def test_what_sqlx_passes_over_is_passed_over(tmp_path: Path, name: str) -> None:
    assert load(made(tmp_path, name)) == []


@pytest.mark.parametrize(
    "name",
    [
        "foo_bar.sql", ".01_x.sql", "2024-01-01_x.sql", "_x.sql", "+_x.sql", " 1_x.sql", "1 _x.sql", "١_x.sql",
        "9223372036854775808_x.sql", "-9223372036854775809_x.sql", "0x1_x.sql", "1.0_x.sql", "x_y.down.sql",
    ],
)  # fmt: skip
def test_a_bad_version_is_refused_with_the_file_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadDirectory) as caught:
        load(made(tmp_path, name, "1_fine.sql"))
    (problem,) = caught.value.problems
    assert problem.startswith(
        f'error parsing migration filename "{name}"; expected integer version prefix (e.g. `01_foo.sql`)'
    )


def test_directories_are_skipped_and_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"SELECT 2;")
    directory = tmp_path / "migrations"
    (directory / "1_folder.sql").mkdir(parents=True)
    (directory / "2_link.sql").symlink_to(tmp_path / "elsewhere")
    (migration,) = load(directory)
    assert (migration.version, migration.sql) == (2, b"SELECT 2;")


def test_a_broken_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "2_link.sql").symlink_to(tmp_path / "nowhere")
    with pytest.raises(BadDirectory, match=r"2_link\.sql: the symbolic link leads nowhere"):
        load(tmp_path)


def test_the_order_is_by_version_then_simple_up_down(tmp_path: Path) -> None:
    made(tmp_path, "10_b.sql", "9_a.sql", "-1_z.sql", "10_b.down.sql", "11_c.down.sql", "11_c.up.sql")
    assert [(m.version, m.kind) for m in load(tmp_path)] == [
        (-1, "simple"), (9, "simple"), (10, "simple"), (10, "down"), (11, "up"), (11, "down"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "checksum"),
    [
        (
            b"CREATE TABLE a(i int);\n",
            "1dc39d21880c690443d19d448c47a37f546917226963dbaa476a5bdaa0602201bd0e6881a12b696359fa18f4bc9abe21",
        ),
        (b"", hashlib.sha384(b"").hexdigest()),
        (b"\xef\xbb\xbfSELECT 1;\r\n", hashlib.sha384(b"\xef\xbb\xbfSELECT 1;\r\n").hexdigest()),
    ],
)
def test_the_checksum_is_over_the_bytes_as_they_are(tmp_path: Path, content: bytes, checksum: str) -> None:
    (migration,) = load(made(tmp_path, "1_a.sql", sql=content))
    assert migration.sql == content
    assert migration.checksum.hex() == checksum


@pytest.mark.parametrize(
    ("sql", "alone"),
    [
        (b"-- no-transaction\nVACUUM;", True),
        (b"-- no-transactions are needed", True),
        (b" -- no-transaction", False),
        (b"--no-transaction", False),
        (b"\xef\xbb\xbf-- no-transaction", False),
        (b"-- NO-TRANSACTION", False),
    ],
)
def test_only_the_exact_first_bytes_turn_the_transaction_off(tmp_path: Path, sql: bytes, alone: bool) -> None:
    (migration,) = load(made(tmp_path, "1_a.sql", sql=sql))
    assert migration.no_transaction is alone


def test_all_problems_are_told_at_once_each_with_its_file(tmp_path: Path) -> None:
    made(tmp_path, "1_a.sql", "1_b.sql", "2_a.up.sql", "2_a.sql", "3_a.down.sql", "3_b.down.sql", "bad_x.sql")
    made(tmp_path, "4_latin.sql", sql=b"SELECT 1;\nSELECT '\xe9';")
    made(tmp_path, "5_nul.sql", sql=b"SELECT 1;\n\n\0")
    with pytest.raises(BadDirectory) as caught:
        load(tmp_path)
    problems = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 6
    for words in (
        "1_a.sql and ", "1_b.sql have the same version 1", "have the same version 2", "have the same version 3",
        "4_latin.sql, line 2: byte 0xe9 is not UTF-8", "5_nul.sql, line 3: a NUL byte", '"bad_x.sql"',
    ):  # fmt: skip
        assert words in problems
    assert str(caught.value).startswith("while resolving migrations: 6 problem(s) in ")


def test_a_simple_file_and_its_way_back_stand_side_by_side(tmp_path: Path) -> None:
    made(tmp_path, "1_a.sql", "1_a.down.sql", "2_b.up.sql", "2_b.down.sql")
    assert [m.kind for m in load(tmp_path)] == ["simple", "down", "up", "down"]


FORMS = {
    "simple": (".sql",),
    "simple with a way back": (".sql", ".down.sql"),
    "pair": (".up.sql", ".down.sql"),
    "up alone": (".up.sql",),
    "way back alone": (".down.sql",),
}


@pytest.mark.parametrize("seed", range(20))
def test_any_mixture_of_forms_is_read_in_order(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    forms = {version: random.choice(list(FORMS)) for version in random.sample(range(-50, 10**14), 12)}
    for version, form in forms.items():
        made(tmp_path, *(f"{version:+05d}_some_words{ending}" for ending in FORMS[form]))
    migrations = load(tmp_path)
    assert [m.version for m in migrations] == sorted(v for v, form in forms.items() for _ in FORMS[form])
    assert {m.version for m in migrations if not m.is_down} == {v for v, f in forms.items() if f != "way back alone"}
    assert {m.version for m in migrations if m.is_down} == {v for v, f in forms.items() if ".down.sql" in FORMS[f]}
    assert {m.description for m in migrations} == {"some words"}


def test_a_name_that_is_not_utf8_gets_a_mark_in_its_place(tmp_path: Path) -> None:
    with open(os.path.join(os.fsencode(tmp_path), b"1_\xff.sql"), "wb"):
        pass
    (migration,) = load(tmp_path)
    assert migration.description == "\ufffd"


@pytest.mark.parametrize("name", ["absent", "file"])
def test_a_directory_that_is_none_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadDirectory, match="while resolving migrations"):
        load(tmp_path / name)


@pytest.mark.parametrize(("name", "key"), [("postgres", 368907709894077238), ("app", 3469795979745788610)])
def test_the_lock_is_the_one_sqlx_takes(name: str, key: int) -> None:
    assert lock_key(name) == key


def test_the_lock_fits_a_signed_integer_whatever_the_name() -> None:
    assert 0x3D32AD9E * 0xFFFFFFFF == 4409777878238843490 < 2**63


def test_our_own_files_keep_the_stricter_rules() -> None:
    """LF, no byte order mark, only simple files, versions as UTC times."""
    migrations = load(OURS)
    assert len(migrations) == len(list(OURS.iterdir()))
    for migration in migrations:
        assert migration.kind == "simple", migration.file
        assert b"\r" not in migration.sql, migration.file
        assert migration.sql.isascii(), migration.file
        assert migration.sql.endswith(b"\n"), migration.file
        assert len(str(migration.version)) == 14, migration.file
