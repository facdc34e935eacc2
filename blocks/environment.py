"""An environment: where a backend runs and how large everything is.

Written as `deployments/environments/<name>.toml`, saved as a Prefect block by `miyabi configure`, loaded by name in
flows, so that a worker anywhere needs no files. It holds no secret: those are in Secrets Manager, found by name.
"""

import ipaddress
from collections.abc import Collection
from copy import deepcopy
from typing import Annotated, Any, Literal
from urllib.parse import urlparse

from prefect.blocks.core import Block
from prefect_aws import AwsCredentials
from pydantic import BeforeValidator, Field, model_validator

from blocks.agents import AgentSettings
from blocks.aws import Aws
from blocks.backup import BackupSettings
from blocks.canary import CanarySettings
from blocks.operating import NotifySettings, RollbackSettings
from blocks.reporting import ReportSettings
from blocks.settings import Settings

MANAGED_BY = "miyabi-pipelines"
SCHEMAS: dict[Any, dict[str, Any]] = {}
"""Of `Environment`, by the arguments that it was asked for with."""


class DatabaseSettings(Settings):
    """The RDS instance. Defaults are the mission's (infrastructure status of 2025-11-26, §4)."""

    identifier: str = ""
    engine_version: str = Field(
        "15.4", pattern=r"^\d+(\.\d+)?$", description="if the region lacks it: the newest of the same major"
    )
    instance_class: str = "db.t3.small"
    storage_gb: int = Field(20, ge=20, le=65536)
    name: str = Field("miyabi", pattern=r"^[a-z][a-z0-9_]{0,62}$")
    username: str = Field("miyabi_admin", pattern=r"^[a-z][a-z0-9_]{0,15}$")
    backup_days: int = Field(7, ge=0, le=35)
    backup_window: str = "03:00-04:00"
    maintenance_window: str = "mon:04:00-mon:05:00"
    multi_az: bool = False
    publicly_accessible: bool = True
    deletion_protection: bool = False
    open_to_world: bool = Field(False, description="0.0.0.0/0 may reach the database port; shown as a finding")
    ingress_cidrs: tuple[str, ...] = Field((), description="addresses of workers and people that may connect")
    sslmode: Literal["prefer", "require", "verify-full"] = "require"
    ca_bundle: str = Field(
        "", description="for verify-full: file of certificate authorities, from the repository's root or absolute"
    )
    keep_snapshots: int = Field(5, ge=1, le=90, description="our newest snapshots before migrations; older ones go")


class FunctionSettings(Settings):
    """The Lambda function that serves the API."""

    name: str = ""
    role: str = ""
    python_runtime: str = Field("python3.12", pattern=r"^python3\.\d+$")
    native_runtime: Literal["provided.al2", "provided.al2023"] = "provided.al2023"
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    memory_mb: int = Field(512, ge=128, le=10240)
    timeout_s: int = Field(30, ge=1, le=30, description="API Gateway waits 30 s at most")
    in_vpc: bool = Field(True, description="reach the database by security group instead of from the internet")
    reserved_concurrency: int | None = Field(None, ge=1)
    provisioned_concurrency: int | None = Field(
        None, ge=1, description="sandboxes that have started before anybody asks: no cold starts, and paid for all day"
    )
    keep_versions: int = Field(5, ge=1, le=100, description="newest versions; older ones go that nothing needs")
    variables: dict[str, str] = Field({}, description="plain, not secret")
    plain_secrets: dict[str, str] = Field(
        {},
        description="variable -> 'database-url', 'jwt-secret' or the name of a secret: for a backend that cannot read "
        "secrets by ARN. Each is shown as a finding.",
    )
    host_wheels: bool = Field(
        False, description="vendor wheels for this machine instead of Lambda's Linux (local only)"
    )

    @model_validator(mode="after")
    def guard_concurrency(self) -> "FunctionSettings":
        """AWS provisions no more than is reserved."""
        if (self.provisioned_concurrency or 0) > (self.reserved_concurrency or 1000):
            raise ValueError("function.provisioned_concurrency is more than function.reserved_concurrency allows")
        return self


class ApiSettings(Settings):
    """The HTTP API in front of the function."""

    name: str = ""
    rate_limit: int = Field(500, ge=1, description="requests a second")
    burst_limit: int = Field(1000, ge=1)
    cors_origins: tuple[str, ...] = ("*",)
    health_path: str = "/api/v1/health"


def off_as_none(value: object) -> object:
    """`false`, since TOML has no null; without this it would be taken for 0."""
    if value is True:
        raise ValueError("must be a number, or false for no alarm")
    return None if value is False else value


Count = Annotated[int | None, BeforeValidator(off_as_none)]
Level = Annotated[float | None, BeforeValidator(off_as_none)]
"""Thresholds of alarms. None: no alarm."""


class MonitoringSettings(Settings):
    """What is watched, and who is told. A threshold of `false` is no alarm.

    Figures are those of the mission's monitoring module and alarms-config.json (reference/miyabi.md §8). The metric
    names there are of REST APIs (`5XXError`, `ApiName`), which an HTTP API never publishes: they could not have rung.
    Costs a month: $0.10 an alarm ($0.20 for the error rate, which looks at two metrics), nothing for an account's first
    three dashboards and $3 for each other one, $5 for a million traces after the first 100,000.
    """

    emails: tuple[str, ...] = Field((), description="told of every alarm, once they have confirmed the mail of AWS")
    alarms: bool = True
    dashboard: bool = True
    tracing: bool = Field(True, description="X-Ray traces of the function; an HTTP API itself has none")
    function_errors: Count = Field(5, ge=0, description="more in 5 minutes")
    function_error_percent: Level = Field(5.0, ge=0, le=100, description="more in 2 × 5 minutes")
    function_p95_ms: Level = Field(10_000.0, gt=0, description="longer in 3 × 5 minutes")
    function_throttles: Count = Field(10, ge=0, description="more in 5 minutes")
    function_concurrency: Count = Field(100, ge=1, description="more at a time")
    api_5xx: Count = Field(10, ge=0, description="more in each of 2 × 5 minutes")
    api_p95_ms: Level = Field(3_000.0, gt=0, description="longer in 3 × 5 minutes")
    database_cpu_percent: Level = Field(80.0, gt=0, le=100, description="more in 3 × 5 minutes")
    database_connections_percent: Level = Field(
        60.0, gt=0, le=100, description="more of what the instance class allows: of a db.t3.small the mission's 100"
    )
    database_free_memory_mb: Count = Field(256, ge=1, description="less in 2 × 5 minutes")
    database_free_storage_gb: Level = Field(5.0, gt=0, description="less")


LoadProfile = Literal["none", "quick", "phase-4", "baseline", "spike", "sustained", "agents"]


class LoadSettings(Settings):
    """What a load test must show, and whether a release ends with one. Thresholds are the mission's."""

    p50_ms: float = Field(50, gt=0)
    p95_ms: float = Field(100, gt=0)
    p99_ms: float = Field(200, gt=0)
    per_second: float = Field(50, ge=0, description="answers; a load that asks for less needs all that it asks for")
    errors_percent: float = Field(1, gt=0, le=100)
    after_release: LoadProfile = Field(
        "none", description="after traffic has moved to a new version; failing undoes it"
    )
    after_release_slack: float = Field(1, ge=1, description="then the latencies may be so many times as long")
    token_secret: str | None = Field(None, description="secret with a bearer token, where there is no mock login")


class SmokeSettings(Settings):
    """What smoke tests may do here, and as whom (docs/smoke.md). Secrets are named, never held."""

    writes: bool = Field(False, description="checks that make something, and take it away again")
    mock_login: bool = Field(False, description="sign in by the suite's own request where no secret is named")
    tokens: dict[str, str] = Field({}, description="role -> the secret that holds its bearer token")
    exercise: bool = Field(False, description="a burst beyond the throttle; other callers are throttled meanwhile")
    browser: bool = Field(True, description="visit the site with Chromium; off, it is a finding")


class SiteSettings(Settings):
    """The static site, its bucket and its CloudFront distribution. Those named here stay somebody's."""

    bucket: str = Field("", pattern=r"^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$", description="an existing bucket")
    distribution: str = Field("", pattern=r"^([A-Z0-9]{8,20})?$", description="an existing distribution, by its id")
    price_class: Literal["PriceClass_100", "PriceClass_200", "PriceClass_All"] = "PriceClass_100"


class Environment(Block):
    """Where a backend runs: account, region, sizes, names. Saved by `miyabi configure`; holds no secret."""

    _block_type_name = "Miyabi Environment"
    _block_type_slug = "miyabi-environment"
    _description = "Where a backend runs: account, region, sizes and names."

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{1,20}$")
    account_id: str = Field(
        pattern=r"^\d{12}$", description="guard: another account stops the run before its first call"
    )
    credentials: AwsCredentials
    database: DatabaseSettings = DatabaseSettings()
    function: FunctionSettings = FunctionSettings()
    api: ApiSettings = ApiSettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    canary: CanarySettings = CanarySettings()
    smoke: SmokeSettings = SmokeSettings()
    site: SiteSettings = SiteSettings()
    agents: AgentSettings = AgentSettings()
    load_test: LoadSettings = LoadSettings()
    report: ReportSettings = ReportSettings()
    backup: BackupSettings = BackupSettings()
    log_retention_days: int = 7
    approval: bool = Field(False, description="suspend before the first write and show the plan")
    approval_hours: float = Field(24, gt=0, le=168, description="so long a plan waits; then its run has failed")
    when_busy: Literal["wait", "refuse"] = Field("wait", description="a run that would write while another one writes")
    notify: NotifySettings = NotifySettings()
    rollback: RollbackSettings = RollbackSettings()
    database_address: str | None = Field(None, description="host:port, where the endpoint's own name cannot be used")
    api_url: str | None = Field(None, description="where the API is reached; {api_id} is filled in")
    site_url: str | None = Field(None, description="where the site is reached, if not at its distribution's own name")

    @model_validator(mode="after")
    def guard_endpoint(self) -> "Environment":
        """`local` is on loopback and nothing else is."""
        endpoint = self.endpoint
        if self.name == "local" and not (endpoint and is_loopback(endpoint)):
            raise ValueError(
                f"environment 'local' is the embedded cloud on loopback, not {endpoint or 'AWS'}; run `miyabi up`"
            )
        if self.name != "local" and endpoint and is_loopback(endpoint):
            raise ValueError(f"environment {self.name!r} must not use an endpoint on loopback: {endpoint}")
        return self

    @classmethod
    def model_json_schema(cls, *args: Any, **named: Any) -> dict[str, Any]:
        """As Prefect's, made once: to save a block Prefect asks for it eighty times, and it takes 50 ms to make."""
        key = (args, tuple(named.items()))
        if key not in SCHEMAS:
            SCHEMAS[key] = super().model_json_schema(*args, **named)
        return deepcopy(SCHEMAS[key])

    def aws(self, *, planning: bool = False, besides: Collection[str] = ()) -> Aws:
        """The door to this environment's account. A planning one cannot write, and do no more than `besides`."""
        return Aws(self.credentials, account_id=self.account_id, planning=planning, besides=besides)

    @property
    def region(self) -> str:
        return str(self.credentials.region_name)

    @property
    def endpoint(self) -> str | None:
        """Where AWS is, when it is not AWS itself."""
        return self.credentials.aws_client_parameters.endpoint_url

    @property
    def tags(self) -> dict[str, str]:
        return {"Project": "miyabi", "Environment": self.name, "ManagedBy": MANAGED_BY}

    def owns(self, tags: dict[str, str]) -> bool:
        """True if these tags say that we made the thing for this environment."""
        return all(tags.get(key) == value for key, value in self.tags.items())

    @property
    def names(self) -> "Names":
        return Names(self)


class Names:
    """What everything is called: `miyabi-<thing>-<environment>` unless the environment says otherwise."""

    def __init__(self, environment: Environment) -> None:
        name, self.function = environment.name, environment.function.name or f"miyabi-api-{environment.name}"
        self.database = environment.database.identifier or f"miyabi-postgres-{name}"
        self.subnet_group = f"miyabi-subnets-{name}"
        self.parameter_group = f"miyabi-parameters-{name}"
        self.database_group = f"miyabi-database-{name}"
        self.function_group = f"miyabi-function-{name}"
        self.endpoint_group = f"miyabi-endpoint-{name}"
        self.secrets_endpoint = f"miyabi-secrets-endpoint-{name}"
        self.database_secret = f"miyabi/{name}/database"
        self.jwt_secret = f"miyabi/{name}/jwt"
        self.role = environment.function.role or f"miyabi-lambda-{name}"
        self.policy = "miyabi-least-privilege"
        self.alias = "live"
        self.api = environment.api.name or f"miyabi-api-{name}"
        self.function_logs = f"/aws/lambda/{self.function}"
        self.api_logs = f"/aws/apigateway/{self.api}"
        self.alerts = f"miyabi-alerts-{name}"
        self.dashboard = f"miyabi-{name}"
        self.site = f"miyabi-site-{name}"
        self.site_bucket = environment.site.bucket or f"miyabi-site-{name}-{environment.account_id}"
        self.backups_bucket = f"miyabi-backups-{name}-{environment.account_id}"
        self.verified_database = f"miyabi-verified-{name}"
        self.artifacts_bucket = f"miyabi-artifacts-{name}-{environment.account_id}"


def is_loopback(url: str) -> bool:
    """True for a URL of this machine: 127.0.0.0/8, ::1, 0.0.0.0, localhost and names below it."""
    host = (urlparse(url).hostname or "").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
