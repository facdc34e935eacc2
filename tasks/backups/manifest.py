"""What is known of a backup: its manifest, a JSON object beside the dump, taken in the same snapshot of the database.

Backups are of three kinds by the day they are taken on, as in the mission's backup-postgres.sh: monthly on the first,
weekly on Mondays, else daily. The kind is the first part of the key, so that S3's lifecycle rules know it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from blocks.backup import BackupSettings
from database.contents import Contents, Table
from database.migration_ledger import Entry
from tasks.errors import Permanent

Kind = Literal["daily", "weekly", "monthly"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FORMAT = 1
ID_FORMAT = "%Y%m%dT%H%M%SZ"
MANIFEST, DUMP = "manifest.json", "database.dump"
Rows = Annotated[int, Field(ge=0)]


class BadManifest(Permanent):
    """The manifest is none that we can read; the message says what is wrong."""


class Applied(BaseModel):
    """A migration that the database had seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    description: str
    success: bool
    checksum: str = Field(pattern=r"^[0-9a-f]*$")


class Manifest(BaseModel):
    """A backup, told whole. Times are in UTC; sizes in bytes. Nothing in it is secret."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    id: str = Field(pattern=r"^\d{8}T\d{6}Z$")
    kind: Kind
    environment: str
    instance: str
    database: str
    server_version: str = Field(pattern=r"^\d+(\.\d+)+$")
    client_version: str
    release: str
    started_at: datetime
    """Just before the snapshot: what was committed by then is in the backup."""
    finished_at: datetime
    version: str = ""
    """S3's version of the dump, so that a later object under the same key is not taken for it."""
    size: int = Field(gt=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    schema_version: int
    migrations: tuple[Applied, ...]
    tables: Mapping[str, tuple[Rows, str]]
    sequences: Mapping[str, int]
    objects: Mapping[str, tuple[str, ...]]

    @property
    def key(self) -> str:
        """Of the dump, in the bucket."""
        return f"{self.kind}/{self.id}/{DUMP}"

    @property
    def contents(self) -> Contents:
        """What the database held."""
        return Contents(
            self.server_version,
            {name: Table(rows, checksum) for name, (rows, checksum) in self.tables.items()},
            dict(self.sequences),
            dict(self.objects),
            tuple(Entry(m.version, m.description, m.success, bytes.fromhex(m.checksum)) for m in self.migrations),
        )

    @property
    def rows(self) -> int:
        return self.contents.rows

    @property
    def major(self) -> int:
        """Of the server."""
        return int(self.server_version.split(".")[0])


def facts_of(contents: Contents) -> dict[str, Any]:
    """Contents as a manifest's fields."""
    return {
        "server_version": contents.server_version,
        "schema_version": contents.schema_version,
        "migrations": tuple(
            Applied(version=e.version, description=e.description, success=e.success, checksum=e.checksum.hex())
            for e in contents.ledger
        ),
        "tables": {name: (table.rows, table.checksum) for name, table in contents.tables.items()},
        "sequences": dict(contents.sequences),
        "objects": dict(contents.objects),
    }


def parse_manifest(text: bytes, *, key: str) -> Manifest:
    """The manifest under a key, which has to be its own. Raises BadManifest."""
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}" for e in error.errors()[:5])
        raise BadManifest(f"the manifest {key} cannot be read: {problems}") from None
    if key != manifest_key(manifest.kind, manifest.id):
        raise BadManifest(f"the manifest {key} is that of another backup, {manifest.kind}/{manifest.id}")
    return manifest


def manifest_key(kind: Kind, backup: str) -> str:
    return f"{kind}/{backup}/{MANIFEST}"


def backup_id(at: datetime) -> str:
    """`20261127T031500Z`"""
    return at.astimezone(UTC).strftime(ID_FORMAT)


def moment_of(backup: str) -> datetime:
    """When a backup was begun, by its id."""
    return datetime.strptime(backup, ID_FORMAT).replace(tzinfo=UTC)


def kind_of(at: datetime) -> Kind:
    day = at.astimezone(UTC)
    return "monthly" if day.day == 1 else "weekly" if day.weekday() == 0 else "daily"


def kept_for(settings: BackupSettings, kind: Kind) -> timedelta:
    days = {"daily": settings.daily_days, "weekly": settings.weekly_days, "monthly": settings.monthly_days}
    return timedelta(days=days[kind])
