"""The environment variables of the Lambda function: which there are, and their values at the last moment.

Secrets reach a function by ARN. A backend that can only read plain variables gets the values that the environment
lists in `function.plain_secrets`; each is a finding. They are read from Secrets Manager inside the step that sends
them, so they are never a parameter, a result, a change or a log line.
"""

import re
from collections.abc import Mapping

from blocks.environment import Environment
from tasks.changes import PENDING, Rollout
from tasks.errors import Permanent, Rejected
from tasks.secrets import database_dsn, read_secret

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
