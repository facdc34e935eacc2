"""What the facts say of each cause, as tables: the true one first, and no other as certain."""

from collections.abc import Callable
from typing import Any

import pytest

from tasks.diagnosing.causes import CAUSES
from tasks.diagnosing.facts import Facts
from tasks.diagnosing.facts_function import Invoked
from tasks.diagnosing.facts_request import AccessSeen, Answered
from tasks.diagnosing.judging import RELEASE
from tasks.diagnosing.model import Cause, Judgement, certain, likely, possible, ruled_out
from tasks.diagnosing.ranking import headline, judge_all
from tests.unit.diagnosing import GOOD, OWN_500, URL, facts, failing, having, judged

NO_RIGHT = AccessSeen("/aws/apigateway/x", True, True, True, "… doesn't have permissions to call the integration.", "")
ENTRYPOINT, EXIT = "Runtime.InvalidEntrypoint", "Runtime.ExitError"
ONE: dict[str, tuple[str, dict[str, Any]]] = {
    "nothing was released": ("nothing", {
        "subject": {"url": "", "api_id": ""}, "function": {"exists": False}, "alias": None, "answer": None,
        "gateway": None, "target": None, "policy": None, "invoked": None, "access": None, "logs": None,
        "package": None, "contract": None, "secrets": None, "database": {"exists": False}, "warmth": None,
    }),
    "no such name": ("silent", {"answer": Answered(URL, None, 5.0, "", "ConnectError: Name or service not known")}),
    "deleted API": ("api", {"answer": Answered(URL, 404, 5.0, '{"message":"Not Found"}'), "gateway": {"exists": False},
                            "target": None, "policy": None, "access": None}),
    "§12 no stage": ("stage", {"answer": Answered(URL, 404, 5.0, '{"message":"Not Found"}'),
                               "gateway": {"stage": "", "stages": ()}, "access": None}),
    "§12 no route": ("stage", {"answer": Answered(URL, 404, 5.0, '{"message":"Not Found"}'),
                               "gateway": {"route": "", "uri": "", "integration": "", "integration_exists": False},
                               "target": None, "policy": None}),
    "§12 not deployed": ("stage", {"answer": Answered(URL, 404, 5.0, '{"message":"Not Found"}'),
                                   "gateway": {"deployed": False, "auto_deploy": False}}),
    "stage rate 0": ("throttle", {"answer": Answered(URL, 429, 5.0, '{"message":"Too Many Requests"}'),
                                  "gateway": {"rate": 0.0, "burst": 0}}),
    "§2 gone version": ("target", {"answer": OWN_500, "target": {"exists": False, "why": "no version '99'"},
                                   "policy": None}),
    "§2 gone alias": ("target", {"answer": OWN_500, "target": {"exists": False, "why": "no alias 'live'"},
                                 "policy": None, "alias": {"exists": False}, "function": {"exists": False},
                                 "invoked": None, "logs": None, "package": None, "contract": None, "secrets": None,
                                 "warmth": None}),
    "§1 no permission": ("permission", {"answer": OWN_500, "policy": {"allowed": False}, "access": NO_RIGHT}),
    "§8 payload 1.0": ("payload", {"answer": OWN_500, "gateway": {"payload": "1.0"}}),
    "§10 switched off": ("concurrency", {"answer": OWN_500, "function": {"reserved": 0}, "warmth": None,
                                         "invoked": Invoked("TooManyRequestsException", "not tried")}),
    "§10 inactive": ("state", {"answer": OWN_500, "function": {"state": "Inactive", "state_code": "Idle"},
                               "invoked": Invoked("ResourceNotReadyException", "inactive"), "warmth": None}),
    "§10 pending": ("state", {"answer": OWN_500, "function": {"state": "Pending", "state_code": "Creating"},
                              "invoked": Invoked("ResourceConflictException", "Pending"), "warmth": None}),
    "§11 key": ("key-or-network", {"answer": OWN_500, "function": {"kms_key": "arn:aws:kms:…:key/1"}, "warmth": None,
                                   "invoked": Invoked("KMSAccessDeniedException", "access was denied")}),
    "§11 interfaces": ("key-or-network", {
        "answer": OWN_500, "function": {"state": "Failed", "state_code": "EniLimitExceeded"}, "warmth": None,
        "invoked": Invoked("ResourceConflictException", "Failed")}),
    "§4 mode": ("entry", {**failing(ENTRYPOINT, "fork/exec /var/task/bootstrap: permission denied"),
                          "package": {"entry": ("'bootstrap' is not executable (mode 0644)",)}}),
    "§4 absent": ("entry", {**failing(ENTRYPOINT, "Couldn't find valid bootstrap(s): [/var/task/bootstrap]"),
                            "package": {"entry": ("the zip has no 'bootstrap'",)}}),
    "§4 import": ("entry", {**failing("Runtime.ImportModuleError", "Unable to import: No module named 'x'"),
                            "package": {"entry": ("app.py:1 imports 'x'",)}}),
    "§5 machine": ("machine", {**failing(ENTRYPOINT, "fork/exec /var/task/bootstrap: exec format error"),
                               "package": {"machine": ("'bootstrap' is built for arm64",)}}),
    "§6 glibc": ("libraries", {
        **failing(EXIT, "Runtime exited with error: exit status 1",
                  "/var/task/bootstrap: /lib64/libc.so.6: version `GLIBC_2.38' not found (required by …)"),
        "package": {"libraries": ("'bootstrap' needs GLIBC_2.38",)}}),
    "§6 loader": ("libraries", {**failing(ENTRYPOINT, "fork/exec /var/task/bootstrap: no such file or directory"),
                                "package": {"libraries": ("'bootstrap' asks for the loader /lib/ld-musl",)}}),
    "§7 variable at start": ("variable", {
        **failing(EXIT, "exit status 1", "thread 'main' panicked: JWT_SECRET must be set"),
        "contract": {"absent": ("JWT_SECRET",), "required": {"JWT_SECRET": "src/config.rs:4"}}}),
    "§7 variable in a request": ("variable", {
        **failing("KeyError", "'DATABASE_SECRET_ARN'"), "contract": {"unset": ("DATABASE_SECRET_ARN",)}}),
    "§7 secret": ("secret", {
        **failing(EXIT, "exit status 1", "no such secret"), "secrets": {"gone": {"JWT_SECRET_ARN": "gone"}}}),
    "§7 exits": ("start", failing(EXIT, "Runtime exited with error: exit status 3", "no config")),
    "§8 shape": ("shape", {"answer": OWN_500, "warmth": None,
                           "invoked": Invoked(misfit="`body` is a dict, not a string", status=None)}),
    "§9 time": ("timeout", failing("Sandbox.Timedout", "Task timed out after 30.00 seconds")),
    "§9 memory": ("memory", failing(EXIT, "Runtime exited with error: signal: killed", used_mb=512)),
    "an exception": ("code", failing("ValueError", "no good")),
    "its own 503": ("backend", {"answer": Answered(URL, 503, 5.0, "down"), "warmth": None,
                                "invoked": Invoked(status=503, body="down")}),
    "§3 rights": ("log-rights", {"logs": {"lacking": ("logs:PutLogEvents",)}}),
    "§3 role": ("log-rights", {"logs": {"role_exists": False}}),
    "§3 another group": ("log-rights", {"logs": {"group": "/elsewhere"}}),
    "access log off": ("access-log", {"access": {"on": False}}),
    "stopped database": ("database-stopped", {
        **failing("OperationalError", "connection refused"), "database": {"status": "stopped", "trouble": "refused"}}),
    "other password": ("database-password", {
        **failing("OperationalError", "password authentication failed"),
        "database": {"trouble": "password", "problem": "password authentication failed"}}),
    "TLS": ("database-tls", {**failing("OperationalError", "SSL required"), "database": {"trouble": "tls"}}),
    "no connection left": ("database-full", {**failing("OperationalError", "too many clients already"),
                                             "database": {"trouble": "full"}}),
}  # fmt: skip


@pytest.mark.parametrize("case", ONE)
def test_the_true_cause_is_the_only_certain_one(case: str) -> None:
    cause, changes = ONE[case]
    found = judged(**changes)
    assert found[0].cause.key == cause
    assert having(found, "certain") == [cause]
    assert found[0].judgement.evidence
    assert cause in {one.key for one in CAUSES}


def test_of_a_system_that_is_well_everything_is_ruled_out() -> None:
    found = judged()
    assert {one.verdict for one in found} == {"ruled out"}
    assert all(one.judgement.against for one in found)
    assert headline(GOOD, found) == f"Nothing is wrong: {GOOD.answer.says if GOOD.answer else ''}"


LIKELY: dict[str, tuple[str, dict[str, Any]]] = {
    "told by the access log alone": ("permission", {"answer": OWN_500, "policy": None, "access": NO_RIGHT}),
    "named by the failure, unknown to the contract": (
        "variable", {**failing(EXIT, "exit status 1", "environment variable not found: STRIPE_KEY")}),
    "required, and the failure names another thing": (
        "variable", {**failing(EXIT, "exit status 1", "giving up"), "contract": {"absent": ("X_Y",), "required": {
            "X_Y": "a.py:1"}}}),
    "rights that a condition may change": ("log-rights", {"logs": {"lacking": ("logs:PutLogEvents",), "doubt": "x"}}),
    "unreadable secret": ("secret", {**failing(EXIT, "exit status 1", "AccessDenied"),
                                     "secrets": {"unreadable": ("JWT_SECRET_ARN",)}}),
    "a stopped database that nobody misses": ("database-stopped", {
        "database": {"status": "stopped", "trouble": "refused"}, "warmth": None}),
    "connections that stay": ("leak", {"warmth": {"grown": 4}}),
    "connections that come and go": ("reinitialising", {"warmth": {"opened": 4}}),
    "a process a request": ("reinitialising", {"warmth": {"starts": 4}}),
    "slow start": ("cold", {"warmth": {"init_ms": 6000.0}}),
}  # fmt: skip


@pytest.mark.parametrize("case", LIKELY)
def test_what_is_not_seen_itself_is_at_most_likely(case: str) -> None:
    cause, changes = LIKELY[case]
    found = judged(**changes)
    assert having(found, "likely")[0] == cause
    assert having(found, "certain") in ([], ["start"])


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"policy": {"allowed": False}}, "permission"),
        ({"package": {"entry": ("'bootstrap' is not executable",)}}, "entry"),
        ({"contract": {"absent": ("X",), "required": {"X": "a.py:1"}}}, "variable"),
        ({"gateway": {"payload": "1.0"}}, "payload"),
        ({"figures": {"throttles": 9}}, "concurrency"),
        ({"secrets": {"unreadable": ("A",)}}, "secret"),
        ({"database": {"trouble": "silent", "problem": "timeout"}}, "database-unreachable"),
        ({"database": {"used": 95}}, "database-full"),
    ],
)
def test_nothing_is_certain_while_requests_do_well(changes: dict[str, Any], cause: str) -> None:
    found = judged(**changes)
    assert having(found, "certain") == []
    assert having(found, "likely") == []
    assert having(found, "possible") == [cause]
    assert found[0].judgement.against or cause == "database-full"
    assert headline(facts(**changes), found).startswith("Nothing is wrong: 200")


TWO: list[tuple[list[str], dict[str, Any]]] = [
    (["permission", "entry"], {
        **failing(ENTRYPOINT, "permission denied"), "policy": {"allowed": False},
        "package": {"entry": ("'bootstrap' is not executable",)}}),
    (["permission", "variable"], {
        **failing("KeyError", "'X_Y'"), "policy": {"allowed": False}, "contract": {"absent": ("X_Y",), "required": {
            "X_Y": "a.py:1"}}}),
    (["stage", "database-stopped"], {
        **failing("OperationalError", "refused"), "gateway": {"stage": "", "stages": ()},
        "database": {"status": "stopped", "trouble": "refused"}}),
    (["permission", "log-rights"], {
        "answer": OWN_500, "policy": {"allowed": False}, "logs": {"lacking": ("logs:PutLogEvents",)}}),
    (["entry", "log-rights"], {
        **failing(ENTRYPOINT, "permission denied"), "package": {"entry": ("mode",)},
        "logs": {"role_exists": False}}),
]  # fmt: skip


@pytest.mark.parametrize(("causes", "changes"), TWO)
def test_of_two_the_one_nearer_to_the_caller_comes_first(causes: list[str], changes: dict[str, Any]) -> None:
    assert having(judged(**changes), "certain") == causes


def test_what_another_cause_explains_is_only_possible() -> None:
    """A backend that answers 503 since its database is stopped."""
    found = judged(
        answer=Answered(URL, 503, 5.0, "{}"),
        invoked=Invoked(status=503, body="error: not reachable"),
        database={"status": "stopped", "trouble": "refused"},
        warmth=None,
    )
    assert having(found, "certain") == ["database-stopped"]
    assert having(found, "possible") == ["backend"]
    (backend,) = [one for one in found if one.cause.key == "backend"]
    assert backend.judgement.against == ("it may come of this: The database does not run",)


def test_without_facts_nothing_is_said() -> None:
    nothing = Facts(why_not={name: "AWS cannot be asked" for name in ("subject", "function", "gateway", "policy")})
    found = judge_all(CAUSES, nothing)
    assert {one.verdict for one in found} == {"unknown"}
    assert headline(nothing, found) == "Nothing could be looked at: AWS cannot be asked"


def test_every_cause_has_a_place_of_its_own() -> None:
    keys = [cause.key for cause in CAUSES]
    assert len(set(keys)) == len(keys)
    assert {cause.row for cause in CAUSES} == {0, *range(1, 13)}  # all rows of the table
    assert all(follow in keys for cause in CAUSES for follow in cause.follows)
    assert not any(keys.index(follow) > keys.index(cause.key) for cause in CAUSES for follow in cause.follows)


def cause(key: str, judgement: Judgement, **more: Any) -> Cause:
    judge: Callable[[Any], Judgement] = lambda facts: judgement  # noqa: E731
    return Cause(key, key, judge, **more)


def test_the_surest_comes_first_then_what_breaks_requests() -> None:
    causes = (
        cause("perhaps", possible("x")),
        cause("slow", certain("x"), hinders="speed"),
        cause("probably", likely("x")),
        cause("no", ruled_out("x")),
        cause("mute", certain("x"), hinders="logs"),
        cause("broken", certain("x", fixes=(RELEASE,))),
    )
    ranked = [one.cause.key for one in judge_all(causes, GOOD)]
    assert ranked == ["broken", "mute", "slow", "probably", "perhaps", "no"]


PLAIN = 'FATAL: no pg_hba.conf entry for host "10.0.0.7", user "miyabi", database "miyabi", no encryption'


@pytest.mark.parametrize(
    ("message", "tail", "key"),
    [
        (f"error returned from database: {PLAIN}", (), "database-tls"),
        ("exit status 1", ("Error: TLS upgrade required by connect options but SQLx was built without TLS support",),
         "database-tls"),
        ('password authentication failed for user "miyabi"', (), "database-password"),
        ("FATAL:  sorry, too many clients already", (), "database-full"),
        ('connection to server at "10.0.0.9", port 5432 failed: Connection timed out', (), "database-unreachable"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("error", ["Runtime.ExitError", "OperationalError"])
def test_a_function_that_says_what_its_database_refuses(error: str, message: str, tail: tuple[str], key: str) -> None:
    """From here it answers well: the function's own words tell, and what they explain is not certain beside them."""
    found = judged(**failing(error, message, *tail))
    assert having(found, "certain") == [key]
    assert found[0].judgement.against[0].startswith("from here: miyabi-postgres-testing is available and answers")


def test_a_pool_that_gives_none_is_no_proof_of_a_silent_database() -> None:
    found = judged(**failing("Runtime.ExitError", "pool timed out while waiting for an open connection"))
    assert having(found, "likely") == ["database-unreachable"]
    assert having(found, "certain") == ["start"]


def test_a_deleted_secret_is_mended_while_what_runs_still_holds_its_value() -> None:
    found = judged(secrets={"gone": {"A": "is deleted, and can still be restored"}})
    assert having(found, "likely") == ["secret"]
    assert found[0].judgement.against == ("yet the URL answers 200",)
    assert found[0].judgement.fixes[0].safe == "secrets"
