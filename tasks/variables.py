"""The environment variables of the Lambda function: which there are, and their values at the last moment.

Secrets reach a function by ARN. A backend that can only read plain variables gets the values that the environment
lists in `function.plain_secrets`; each is a finding. They are read from Secrets Manager inside the step that sends
them, so they are never a parameter, a result, a change or a log line.
"""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from blocks.environment import Environment
from tasks.changes import PENDING, Rollout
from tasks.errors import Permanent, Rejected, absent_as_none

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
    names = rollout.environment.names
    if source == "database-url":
        text = read_secret(rollout, names.database_secret)
        return text if text == PENDING else database_url(json.loads(text))
    return read_secret(rollout, names.jwt_secret if source == "jwt-secret" else source)


def read_secret(rollout: Rollout, name: str) -> str:
    """The secret's text. A plan may come before the secret is made."""
    answer = absent_as_none(lambda: rollout.aws("secretsmanager").get_secret_value(SecretId=name))
    if answer is None and rollout.planning:
        return PENDING
    if answer is None:
        raise Permanent(f"there is no secret {name!r} in Secrets Manager; make it, or mend function.plain_secrets")
    return str(answer["SecretString"])


def database_url(secret: Mapping[str, Any]) -> str:
    """The database secret as the URL that sqlx, SQLAlchemy and psql understand."""
    user, password = quote(str(secret["username"]), safe=""), quote(str(secret["password"]), safe="")
    address = f"{secret['host']}:{secret['port']}/{secret['dbname']}"
    return f"postgresql://{user}:{password}@{address}?sslmode={secret.get('sslmode', 'require')}"
