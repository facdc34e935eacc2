"""The errors of migrations. Each says in sqlx's words what is wrong, then where and what to do.

MigrationError
├── WrongUsage           what was asked for cannot be; nothing was tried
│   ├── NoDirectory
│   ├── VersionNotPresent    the target is no file's version
│   └── BadConnectionString
├── BadDirectory         the files; every problem of every file, before the database is touched
├── CannotConnect
├── LedgerConflict       what is recorded does not fit the files; before anything is applied
│   ├── Dirty            a row says that its migration stopped halfway
│   ├── VersionMissing   applied, and its file is gone
│   ├── VersionMismatch  applied, and its file was changed
│   └── VersionTooOld    the target lies below what is applied: wrong usage, too
├── ExecuteMigration     PostgreSQL refused a statement of a file
└── Execute              any other error of the database
"""

from collections.abc import Sequence


class MigrationError(Exception):
    """The root."""


class WrongUsage(MigrationError):
    """The mistake lies in the command, not in the files or the database: exit code 2."""


class NoDirectory(WrongUsage):
    def __init__(self, directory: str) -> None:
        super().__init__(f"there is no directory {directory!r}: name the one that holds the migrations")


class BadConnectionString(WrongUsage):
    """The message does not repeat it: it holds the password, perhaps in the wrong place."""


class BadDirectory(MigrationError):
    def __init__(self, directory: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        lines = [f"while resolving migrations: {len(problems)} problem(s) in {directory!r}; nothing was run"]
        super().__init__("\n".join(lines + [f"  - {problem}" for problem in problems]))


class VersionNotPresent(WrongUsage):
    def __init__(self, version: int) -> None:
        super().__init__(
            f"migration {version} is not present in the migration source: name the version of one of its files"
        )


class CannotConnect(MigrationError):
    """The database could not be reached in time, or refuses us."""


class LedgerConflict(MigrationError):
    """`problems` holds all of them, in the order of sqlx's checks; the class is that of the first."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


class Dirty(LedgerConflict):
    pass


class VersionMissing(LedgerConflict):
    pass


class VersionMismatch(LedgerConflict):
    pass


class VersionTooOld(LedgerConflict, WrongUsage):
    pass


class ExecuteMigration(MigrationError):
    def __init__(self, message: str, *, version: int, file: str, line: int | None, sqlstate: str | None) -> None:
        self.version = version
        self.file = file
        self.line = line
        """Of the failing statement, from 1; None when PostgreSQL's answer does not tell."""
        self.sqlstate = sqlstate
        super().__init__(message)


class Execute(MigrationError):
    pass
