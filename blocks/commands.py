"""Commands that a report tells a person to type, as they have to be typed for an environment.

AWS's own command looks at AWS, and in the region and with the keys of whoever types it: the embedded cloud is elsewhere
and takes any keys, and an environment of AWS names its region and profile.
"""

import re

from blocks.environment import Environment

AWS = re.compile(r"(?<![\w./-])aws (?=[a-z0-9-]+ [a-z]+-[a-z-]+)")
LOCAL_KEYS = "AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local"


def typed(text: str, environment: Environment) -> str:
    """The text with every `aws …` in it as a shell takes it, and `{environment}` and `{database}` filled in."""
    filled = text.replace("{environment}", environment.name).replace("{database}", environment.names.database)
    keys = f"{LOCAL_KEYS} " if environment.endpoint else ""
    return AWS.sub(lambda _: f"{keys}{aws_command(environment)} ", filled)


def log_command(group: str, minutes: int) -> str:
    """What a log group holds of the last minutes; `aws logs tail` is of version 2 of the command alone."""
    since = f"$(($(date +%s) - {60 * minutes}))000"
    return (
        f"logs filter-log-events --log-group-name {group} --start-time {since} --query 'events[].message' --output text"
    )


def log_place(environment: Environment) -> str:
    """Where the function's log is read: CloudWatch's page; of the embedded cloud, which has none, the command."""
    group = environment.names.function_logs
    if environment.endpoint:
        return f"`{typed(f'aws {log_command(group, 60)}', environment)}`"
    home = f"https://{environment.region}.console.aws.amazon.com/cloudwatch/home?region={environment.region}"
    return f"{home}#logsV2:log-groups/log-group/{group.replace('/', '$252F')}"


def aws_command(environment: Environment) -> str:
    """AWS's own command, without a service."""
    if environment.endpoint:
        return f"aws --endpoint-url {environment.endpoint} --region {environment.region}"
    profile = environment.credentials.profile_name
    return f"aws --region {environment.region}" + (f" --profile {profile}" if profile else "")
