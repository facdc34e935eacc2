"""Facts of the request: what is asked, what it answers, and its way through API Gateway."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Subject:
    """What is looked at."""

    url: str
    """'' where there is no API to ask."""
    path: str
    api_id: str
    function: str
    qualifier: str
    says: str
    source: str = ""
    """Where its code came from, as a release notes it: `python:api`."""
    ours: bool = True
    """The function is the environment's own."""
    past_api: bool = False
    """A function was named: no API is on the way."""
    alias: str = "live"
    """Through which the environment's API is to call it."""
    odd: bool = False


@dataclass(frozen=True)
class Answered:
    """What the URL answered; `status` is None if nothing did."""

    url: str
    status: int | None
    ms: float
    body: str
    problem: str = ""
    request_id: str = ""

    @property
    def well(self) -> bool:
        return self.status is not None and self.status < 400

    @property
    def odd(self) -> bool:
        return not self.well

    @property
    def is_gateways(self) -> bool:
        """The gateway's own answer: nothing of the function is in it."""
        return '{"message":"' in self.body.replace(" ", "") and self.body.count('"') == 4

    @property
    def says(self) -> str:
        if self.status is None:
            return f"nothing answers: {self.problem}"
        return f"{self.status} in {self.ms:.0f} ms{f': {self.body}' if self.body else ''}"


@dataclass(frozen=True)
class GatewaySeen:
    """The API on the way of this request. Empty strings stand for what is not there."""

    api_id: str
    exists: bool
    endpoint_off: bool = False
    stage: str = ""
    stages: tuple[str, ...] = ()
    auto_deploy: bool = False
    deployed: bool = False
    rate: float | None = None
    burst: int | None = None
    route: str = ""
    routes: tuple[str, ...] = ()
    integration: str = ""
    integration_exists: bool = False
    kind: str = ""
    uri: str = ""
    payload: str = ""
    timeout_ms: int | None = None
    credentials: str = ""
    log_group: str = ""
    log_tells_errors: bool = False

    @property
    def odd(self) -> bool:
        return not (self.exists and self.stage and self.deployed and self.route and self.integration_exists)

    @property
    def says(self) -> str:
        if not self.exists:
            return f"there is no API {self.api_id!r}"
        stage = f"stage {self.stage}" if self.stage else f"no stage (there are: {', '.join(self.stages) or 'none'})"
        way = f"route {self.route} → {self.uri or 'nothing'}" if self.route else "no route for this request"
        return f"API {self.api_id}: {stage}{'' if self.deployed else ', not deployed'}; {way}; payload {self.payload}"


@dataclass(frozen=True)
class TargetSeen:
    """Whether what the integration names is there."""

    arn: str
    function: str
    qualifier: str
    exists: bool
    why: str = ""

    @property
    def odd(self) -> bool:
        return not self.exists

    @property
    def says(self) -> str:
        name = f"{self.function}:{self.qualifier}" if self.qualifier else self.function
        return f"{name} is there" if self.exists else f"{name} is not there: {self.why}"


@dataclass(frozen=True)
class PolicySeen:
    """Whether the policy on exactly the integration's ARN lets this API call it."""

    arn: str
    source: str
    allowed: bool
    near: tuple[str, ...] = ()
    """Statements that nearly do, and why they do not."""

    @property
    def odd(self) -> bool:
        return not self.allowed

    @property
    def says(self) -> str:
        if self.allowed:
            return f"API Gateway may invoke {self.arn} for {self.source}"
        return f"no statement lets API Gateway invoke {self.arn} for {self.source}" + "".join(
            f"; {one}" for one in self.near
        )


@dataclass(frozen=True)
class AccessSeen:
    """What the access log tells of this very request."""

    group: str
    on: bool
    tells_errors: bool
    found: bool = False
    error: str = ""
    status: str = ""

    @property
    def odd(self) -> bool:
        return not self.on or not self.tells_errors or bool(self.error)

    @property
    def says(self) -> str:
        if not self.on:
            return "the stage writes no access log, which is where a missing permission is told"
        if not self.tells_errors:
            return f"{self.group} does not hold $context.integrationErrorMessage"
        if not self.found:
            return f"{self.group} has no line of this request yet"
        return f"{self.error}" if self.error else f"no integration error (integration status {self.status or '-'})"
