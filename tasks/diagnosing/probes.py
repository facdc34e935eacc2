"""The probes, in the order of reference/aws.md §8: what tells most comes first. A new one is a function and a line."""

from tasks.diagnosing.looking import Probe
from tasks.diagnosing.probes_database import see_database, see_warmth
from tasks.diagnosing.probes_function import count, invoke, see_alias, see_function
from tasks.diagnosing.probes_logs import see_access, see_logs
from tasks.diagnosing.probes_package import inspect, see_contract, see_secrets
from tasks.diagnosing.probes_request import ask, see_gateway, see_policy, see_target
from tasks.diagnosing.subject import see_subject, unasked

PROBES = (
    Probe("what is meant", "subject", see_subject, otherwise=unasked),
    Probe("the URL", "answer", ask, asks="the API"),
    Probe("the function's state", "function", see_function),
    Probe("the alias", "alias", see_alias),
    Probe("the API's way", "gateway", see_gateway),
    Probe("what the API calls", "target", see_target),
    Probe("the policy on it", "policy", see_policy),
    Probe("metrics", "figures", count),
    Probe("a direct invocation", "invoked", invoke),
    Probe("the access log", "access", see_access),
    Probe("the function's log", "logs", see_logs),
    Probe("the package", "package", inspect),
    Probe("the variables", "contract", see_contract),
    Probe("the secrets", "secrets", see_secrets),
    Probe("the database", "database", see_database, asks="the database"),
    Probe("cold and warm", "warmth", see_warmth),
)
