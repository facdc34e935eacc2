"""Environments as Prefect blocks: saved where the files say something else than what is saved."""

from collections.abc import Sequence
from typing import Any

from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import PrefectClient, get_client
from prefect.exceptions import ObjectNotFound
from prefect_aws import AwsCredentials
from pydantic import BaseModel

from blocks.environment import Environment
from deployments.configuring.server import Report

INBOX = "miyabi-inbox"


async def save_environments(environments: Sequence[Environment], report: Report) -> None:
    """Save the blocks of these environments. Keys that a person entered in a credentials block stay."""
    async with get_client() as client:
        for environment in environments:
            await save_environment(client, environment, report)


async def save_environment(client: PrefectClient, environment: Environment, report: Report) -> None:
    block_name, saved = f"miyabi-{environment.name}", await saved_environment(environment.name)
    kept = saved.credentials if saved else await saved_credentials(block_name)
    if kept is not None and environment.name != "local":
        environment.credentials = merged(kept, environment.credentials)
    if saved and plain(saved) == plain(environment) and await known_schema(client, environment.name):
        return
    await environment.credentials.asave(block_name, overwrite=True)
    await environment.asave(environment.name, overwrite=True)
    report(f"{'changed' if saved else 'made'} environment {environment.name}")


async def save_inbox(url: str, report: Report) -> None:
    """The notification block of a laptop: an inbox of the embedded cloud."""
    wanted = CustomWebhookNotificationBlock(
        name=INBOX, url=url, json_data={"subject": "{{subject}}", "body": "{{body}}"}
    )
    try:
        saved = await CustomWebhookNotificationBlock.aload(INBOX)
    except ValueError:
        saved = None
    if saved is None or saved.url != url:
        await wanted.asave(INBOX, overwrite=True)
        report(f"{'changed' if saved else 'made'} block custom-webhook/{INBOX}")


async def saved_environment(name: str) -> Environment | None:
    """The environment as it is saved; None if it is not, or cannot be read by this version."""
    try:
        return await Environment.aload(name)
    except (ValueError, RuntimeError):
        return None


async def known_schema(client: PrefectClient, name: str) -> bool:
    """Whether the saved block has the schema of this version, by which the UI shows it and `drift` compares."""
    try:
        document = await client.read_block_document_by_name(name, Environment.get_block_type_slug())
    except ObjectNotFound:
        return False
    schema = document.block_schema
    return schema is not None and schema.checksum == Environment._calculate_schema_checksum()


async def saved_credentials(block_name: str) -> AwsCredentials | None:
    """Credentials saved earlier under this name."""
    try:
        return await AwsCredentials.aload(block_name)
    except ValueError:
        return None


def merged(kept: AwsCredentials, wanted: AwsCredentials) -> AwsCredentials:
    """What is saved with what the file says: the region alone where a person entered keys, for those are used then."""
    update: dict[str, Any] = {"region_name": wanted.region_name}
    if not kept.aws_access_key_id:
        endpoint = {"endpoint_url": wanted.aws_client_parameters.endpoint_url}
        update["profile_name"] = wanted.profile_name
        update["aws_client_parameters"] = kept.aws_client_parameters.model_copy(update=endpoint)
    return kept.model_copy(update=update)


def plain(block: BaseModel) -> dict[str, Any]:
    """What a block says, with the values of secrets: to compare, and nothing else."""
    return {name: opened(value) for name, value in block if not name.startswith("_")}


def opened(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return plain(value)
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value
