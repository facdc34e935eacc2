"""Asking suites of an API that is served over HTTP, with an AWS account that is empty and no Prefect."""

from pathlib import Path
from typing import Any

from blocks.aws import Aws
from blocks.environment import Environment, FunctionSettings, SmokeSettings
from tasks.changes import Rollout
from tasks.smoke_answers import Result
from tasks.smoke_suites import Target, smoke_suites
from tasks.suites import Suite
from tests.support import aws_error, make_environment

ALL = SmokeSettings(writes=True, mock_login=True)


def local(smoke: SmokeSettings, **variables: str) -> Environment:
    return make_environment("http://127.0.0.1:1", smoke=smoke, function=FunctionSettings(variables=variables))


class NoAws(Aws):
    """An account with nothing in it."""

    def __call__(self, service: str) -> Any:
        return NoAws.Empty()

    class Empty:
        def get_secret_value(self, **_: Any) -> Any:
            raise aws_error("ResourceNotFoundException", "GetSecretValue")


def asked(
    environment: Environment, url: str, suite: Suite, *, site: str = "", shots: Path | None = None
) -> dict[str, Result]:
    """The results by their labels; `site` is where the suite is asked, if not of the API."""
    rollout = Rollout(environment, NoAws(environment.credentials, account_id=environment.account_id))
    targets = [Target("it", suite, site or url, url)]
    results = smoke_suites.fn(rollout, "local", targets, shots=shots, perform=lambda ask, *given: ask.fn(*given))
    return {result.check: result for result in results}
