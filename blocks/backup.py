"""What is backed up, how long it is kept, and what a disaster may cost.

Figures of keeping are the mission's (backup-postgres.sh): daily for a week, Mondays' for four weeks, those of the first
of a month for half a year.
"""

from pydantic import Field

from blocks.settings import Settings


class BackupSettings(Settings):
    """Backups of the database, besides those that RDS takes itself (`database.backup_days`)."""

    dump: bool = Field(True, description="a logical dump in S3, which any PostgreSQL can read")
    snapshot: bool = Field(True, description="a snapshot in RDS, which is quick to restore and no one else's to read")
    daily_days: int = Field(7, ge=1, le=3650)
    weekly_days: int = Field(28, ge=1, le=3650, description="those of Mondays")
    monthly_days: int = Field(180, ge=1, le=3650, description="those of the first of a month")
    rpo_hours: float = Field(26, gt=0, description="a verified backup is to be no older: a night and two hours")
    rto_minutes: float = Field(60, gt=0, description="a backup is to be restored and answering within")
    shrink_percent: float = Field(50, gt=0, le=100, description="of the rows of the backup before may be missing")
    verify_class: str = Field(
        "db.t3.micro", description="of the instances that a backup is verified in, some 40 minutes a night: about $0.01"
    )
