"""The environment variables of the Lambda function: which there are, and their values at the last moment.

Secrets reach a function by ARN. A backend that can only read plain variables gets the values that the environment
lists in `function.plain_secrets`; each is a finding. They are read from Secrets Manager inside the step that sends
them, so they are never a parameter, a result, a change or a log line.
"""

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from botocore.exceptions import BotoCoreError, ClientError

from blocks.environment import Environment
from tasks.changes import PENDING, Rollout
from tasks.errors import Permanent, Rejected
from tasks.reports import masked
from tasks.secrets import database_dsn, database_password, read_secret

NAME = re.compile(r"^[A-Za-z][A-Za-z0-9_]+$")
RESERVED = re.compile(
    r"^(_HANDLER|_X_AMZN_TRACE_ID|LAMBDA_.*|AWS_(DEFAULT_REGION|REGION|EXECUTION_ENV|LAMBDA_.*|ACCESS_KEY(_ID)?"
    r"|SECRET_ACCESS_KEY|SESSION_TOKEN))$"
)
"""Names that Lambda sets itself and refuses from us (Lambda Developer Guide, "Reserved environment variables")."""
LIMIT = 4096
"""Bytes of all names and values together (Lambda quotas)."""


def variable_names(environment: Environment) -> frozenset[str]:
    """Every variable that the deployment sets, for the check of a package's environment contract."""
    return frozenset(plain_variables(environment, "", "")) | frozenset(environment.function.plain_secrets)


def plain_variables(environment: Environment, database_secret: str, jwt_secret: str) -> dict[str, str]:
    """The variables that hold nothing secret. The environment's own win over ours, except for the ARNs."""
    return {
        "ENVIRONMENT": environment.name,
        "LOG_LEVEL": "INFO",
        **environment.function.variables,
        "DATABASE_SECRET_ARN": database_secret,
        "JWT_SECRET_ARN": jwt_secret,
    }


def function_variables(rollout: Rollout, database_secret: str, jwt_secret: str) -> dict[str, str]:
    """All variables with their values, secret ones included; every problem with them at once."""
    environment = rollout.environment
    variables = plain_variables(environment, database_secret, jwt_secret)
    for name, source in environment.function.plain_secrets.items():
        rollout.find(f"function {environment.names.function}", f"{name} holds the secret {source!r} as a plain value")
        variables[name] = secret_value(rollout, source)
    if problems := problems_of(variables):
        raise Rejected(f"variables of function {environment.names.function!r}", problems)
    return variables


def problems_of(variables: Mapping[str, str]) -> list[str]:
    """What Lambda would refuse, without the values."""
    problems = [f"{name!r} is not a name for a variable" for name in variables if not NAME.match(name)]
    problems += [f"{name!r} is reserved by Lambda; choose another name" for name in variables if RESERVED.match(name)]
    size = sum(len(name.encode()) + len(value.encode()) for name, value in variables.items())
    if size > LIMIT:
        problems.append(f"they take {size} bytes and Lambda allows {LIMIT}; move the long ones to a secret")
    return problems


def secret_value(rollout: Rollout, source: str) -> str:
    """The value that `plain_secrets` names: 'database-url', 'jwt-secret' or a secret of that name."""
    try:
        if source == "database-url":
            return database_dsn(rollout, inside=True).get_secret_value()
        return read_secret(rollout, rollout.environment.names.jwt_secret if source == "jwt-secret" else source)
    except Permanent:
        if rollout.planning:
            return PENDING  # a plan may come before the secret is made
        raise


def blotter(rollout: Rollout) -> Callable[[str], str]:
    """A function that takes the secrets of this environment out of a text: a program that fails may print them.

    They are read when there is a text, and once. What cannot be checked for them is not shown.
    """

    @functools.cache
    def values() -> list[str]:
        return sorted(filter(None, secret_values(rollout)), key=len, reverse=True)

    def blot(text: str) -> str:
        try:
            known = values()
        except (ClientError, BotoCoreError) as error:
            return f"(not shown, as the secrets that it may hold cannot be read: {error})"
        return masked(functools.reduce(lambda left, value: left.replace(value, "***"), known, text))

    return blot


def secret_values(rollout: Rollout) -> Iterator[str]:
    """Every secret that the function can have. One that is not there cannot be shown either."""
    with suppress(Permanent):
        yield database_password(rollout).get_secret_value()
    for source in ("jwt-secret", *rollout.environment.function.plain_secrets.values()):
        with suppress(Permanent):
            yield secret_value(rollout, source)
