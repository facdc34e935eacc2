"""Who is told of what happens in an environment, and what may happen there by itself."""

from typing import Annotated

from pydantic import Field

from blocks.settings import Settings

BlockName = Annotated[str, Field(pattern=r"^[a-z0-9-]+/[a-z0-9-]+$")]


class NotifySettings(Settings):
    """Notification blocks of Prefect, made in its UI: Slack, e-mail, Teams, PagerDuty, any webhook."""

    blocks: tuple[BlockName, ...] = Field(
        (), description="type and name: slack-webhook/oncall, sendgrid-email/oncall, custom-webhook/oncall"
    )


class RollbackSettings(Settings):
    """Going back without a person, after smoke tests that fail one after the other (flows/rollback.py)."""

    automatic: bool = Field(False, description="otherwise the diagnosis is told, and a person decides")
    failures: int = Field(2, ge=1, le=10, description="smoke tests that failed in a row since the release")
    within_hours: float = Field(24, gt=0, le=720, description="a release that is older is not what broke it")
