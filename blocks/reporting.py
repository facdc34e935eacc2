"""When a report is made, and what its cost table assumes.

The assumptions are those of the mission's own estimate (infrastructure status of 2025-11-26), so that the two can be
laid side by side; the others are ours, and small.
"""

from pydantic import Field

from blocks.settings import Settings


class Assumptions(Settings):
    """What a month brings. Everything else of the cost table is in the environment, or stands in AWS."""

    requests: float = Field(1_000_000, ge=0, description="to the API")
    ms_per_request: float = Field(1000, ge=0, description="that the function runs for one")
    out_gb: float = Field(10, ge=0, description="from the API to the internet")
    log_gb: float = Field(1, ge=0, description="written to CloudWatch, by the function and the API together")
    backup_gb: float = Field(20, ge=0, description="of the database's backups and snapshots together")
    secret_reads: float = Field(10_000, ge=0, description="two for each start of a sandbox, and again every 5 minutes")
    traces_percent: float = Field(5, ge=0, le=100, description="of the requests that X-Ray records")
    site_requests: float = Field(100_000, ge=0, description="to the site")
    site_gb: float = Field(1, ge=0, description="from the site to people")
    site_stored_gb: float = Field(0.1, ge=0, description="of the site's files, with their earlier contents")


class ReportSettings(Settings):
    """What a report assumes, and whether a release ends with one."""

    after_release: bool = Field(True, description="a release that changed something ends with a report")
    assumptions: Assumptions = Assumptions()
