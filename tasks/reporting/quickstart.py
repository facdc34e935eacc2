"""The quick-start page: where the system is, and the commands to use, watch and mend it. Real URLs; no secret."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from blocks.commands import LOCAL_KEYS, aws_command, log_command
from blocks.environment import Environment
from tasks.reporting.model import Scene


@dataclass(frozen=True)
class Place:
    """Where to reach what; '' for what there is not, or could not be looked at."""

    api: str
    site: str
    api_id: str
    version: str
    database: str
    user: str
    dbname: str


def place_of(scene: Scene) -> Place:
    environment, api, alias = scene.environment, scene.get("API"), scene.get("alias")
    distribution, database = scene.get("distribution"), scene.get("database")
    return Place(
        api=api[1] if api else "",
        site=(environment.site_url or f"https://{distribution.domain}").rstrip("/") if distribution else "",
        api_id=api[0].id if api else "",
        version=alias[0].version if alias else "",
        database=(environment.database_address or f"{database.address}:{database.port}") if database else "",
        user=database.username if database else "",
        dbname=database.dbname if database else "",
    )


def render_quickstart(environment: Environment, place: Place) -> str:
    parts = (using, releasing, watching, database, consoles)
    head = f"# Quick start: {environment.name}"
    said = 'Commands are those of this repository\'s `.venv/bin`: `export PATH="$PWD/.venv/bin:$PATH"` there once.'
    return "\n\n".join([head, said, *(text for part in parts for text in part(environment, place))]) + "\n"


def using(environment: Environment, place: Place) -> Iterator[str]:
    yield "## Use it"
    if not place.api:
        yield "There is no API yet: `miyabi release` makes one."
        return
    health = f"{place.api}{environment.api.health_path}"
    yield "\n".join(
        [
            f"- API: {place.api}" + (f" (version {place.version} has the traffic)" if place.version else ""),
            f"- Health: {health}",
            f"- Site: {place.site or 'not published'}",
        ]
    )
    yield shell(f"curl -s {health}")


def releasing(environment: Environment, place: Place) -> Iterator[str]:
    here = "" if environment.name == "local" else f" -e {environment.name}"
    yield "## Release it"
    yield shell(
        f"miyabi plan{here}        # what a release would change",
        f"miyabi release{here}     # from source to a running, smoke-tested system",
        f"miyabi releases{here}    # what was released",
        f"miyabi rollback{here}    # traffic back to before the last release",
        f"miyabi report{here}      # this page again, with the costs, the findings and the drift",
        f"prefect deployment run smoke-test/{environment.name}",
        f"prefect deployment run load-test/{environment.name}",
    )


def watching(environment: Environment, place: Place) -> Iterator[str]:
    names, aws = environment.names, aws_command(environment)
    yield "## Watch it"
    yield shell(
        *([f"export {LOCAL_KEYS}    # the embedded cloud takes any keys"] if environment.endpoint else []),
        f"{aws} {log_command(names.function_logs, 10)}",
        f"{aws} {log_command(names.api_logs, 60)}    # why the gateway answered as it did",
        f"{aws} cloudwatch describe-alarms --alarm-name-prefix miyabi- --state-value ALARM",
        f"{aws} lambda get-alias --function-name {names.function} --name {names.alias}",
    )


def database(environment: Environment, place: Place) -> Iterator[str]:
    yield "## Its database"
    if not place.database:
        yield "There is no database, or it could not be looked at."
        return
    aws, host = aws_command(environment), place.database.rpartition(":")
    mode = environment.database.sslmode
    secret = f"{aws} secretsmanager get-secret-value --secret-id {environment.names.database_secret}"
    password = "python3 -c 'import json, sys; print(json.load(sys.stdin)[\"password\"])'"
    yield shell(
        f"export PGPASSWORD=$({secret} \\\n  --query SecretString --output text | {password})",
        f'psql "host={host[0]} port={host[2]} user={place.user} dbname={place.dbname} sslmode={mode}"',
    )


def consoles(environment: Environment, place: Place) -> Iterator[str]:
    """The embedded cloud has none."""
    if environment.endpoint:
        return
    region, names = environment.region, environment.names
    base = f"https://{region}.console.aws.amazon.com"
    logs = quote(quote(names.function_logs, safe=""), safe="").replace("%", "$")
    links = [
        ("Lambda", f"{base}/lambda/home?region={region}#/functions/{names.function}"),
        ("API Gateway", f"{base}/apigateway/main/apis/{place.api_id}?api={place.api_id}&region={region}"),
        ("RDS", f"{base}/rds/home?region={region}#database:id={names.database};is-cluster=false"),
        ("Logs", f"{base}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{logs}"),
        ("Dashboard", f"{base}/cloudwatch/home?region={region}#dashboards/dashboard/{names.dashboard}"),
    ]
    yield "## AWS's console"
    yield "\n".join(f"- [{name}]({link})" for name, link in links)


def shell(*lines: str) -> str:
    return "```sh\n" + "\n".join(lines) + "\n```"
