"""Causes in the function: its state and limits, what keeps it from starting, and what it does wrong when it has."""

import re

from tasks.diagnosing.facts import Facts
from tasks.diagnosing.judging import RELEASE, breaking, by_the_function, not_seen, quoted, well
from tasks.diagnosing.model import Fix, Judgement, certain, likely, possible, ruled_out

NETWORK_CODES = ("Eni", "Subnet", "SecurityGroup", "Vpc", "ENI")
STARTING = ("Runtime.ExitError", "Runtime.InitError", "Runtime.UserCodeSyntaxError", "Runtime.InvalidEntrypoint")
TIMED_OUT = re.compile(r"Task timed out after ([\d.]+) seconds")


def state(facts: Facts) -> Judgement:
    """§8.10: the version is not active, or is being changed."""
    function = facts.function
    if function is None:
        return not_seen(facts, "function")
    if not function.exists or by_key_or_network(facts):
        return ruled_out(function.says)
    if function.state == "Active" and function.update in ("Successful", ""):
        return ruled_out(function.says)
    fixes = (Fix("wait: it passes by itself"),) if "ending" in function.state + function.update else (RELEASE,)
    if function.update == "InProgress" or function.state == "Pending":
        fixes = (Fix("wait a minute and look again", "miyabi diagnose -e {environment}"),)
    if function.state == "Inactive":
        fixes = (Fix("ask it once more: Lambda put it to sleep after weeks without a request, and wakes it"),)
    return breaking(facts, function.says, *filter(None, [quoted(facts)]), fixes=fixes)


def by_key_or_network(facts: Facts) -> bool:
    """Whether Lambda itself names the key or the network."""
    function, invoked = facts.function, facts.invoked
    codes = f"{function.state_code} {function.update_code}" if function else ""
    refused = invoked.refused if invoked else ""
    return "KMS" in codes + refused or any(code in codes + refused for code in NETWORK_CODES)


def key_or_network(facts: Facts) -> Judgement:
    """§8.11: the variables cannot be decrypted, or there is no network interface to be had."""
    function, invoked = facts.function, facts.invoked
    if function is None:
        return not_seen(facts, "function")
    if not by_key_or_network(facts):
        return ruled_out(f"state and invocation name neither a key nor the network{keyless(facts)}")
    said = [function.says] if function.state_code or function.update_code else []
    if invoked is not None and invoked.refused:
        said.append(f"{invoked.refused}: {invoked.refusal}")
    if "KMS" in " ".join(said):
        fix = Fix(
            f"let role {function.role.rpartition('/')[2]} use the key {function.kms_key or ''}, or take the key away",
            f"aws lambda update-function-configuration --function-name {function.name} --kms-key-arn ''",
        )
    else:
        fix = Fix("free addresses in the subnets, or give the function others", "miyabi release -e {environment}")
    return breaking(facts, *said, fixes=(fix, RELEASE))


def keyless(facts: Facts) -> str:
    return "" if facts.function is None or facts.function.kms_key else "; it has no key of its own"


def concurrency(facts: Facts) -> Judgement:
    """§8.10: nobody may run, or too few at a time."""
    function, invoked = facts.function, facts.invoked
    if function is None or not function.exists:
        return not_seen(facts, "function")
    if function.reserved == 0:
        return breaking(
            facts,
            "its reserved concurrency is 0, which switches it off",
            fixes=(
                Fix(
                    "somebody may have meant it, so it is not mended unasked; switch it on",
                    f"aws lambda delete-function-concurrency --function-name {function.name}",
                ),
                RELEASE,
            ),
        )
    if invoked is not None and invoked.refused == "TooManyRequestsException":
        fix = Fix("raise the reserved concurrency, or the account's limit", "miyabi release -e {environment}")
        return breaking(facts, quoted(facts), fixes=(fix,))
    if facts.figures is not None and facts.figures.throttles:
        return possible(f"{facts.figures.throttles} requests were throttled in {facts.figures.minutes} minutes",
                        against=("this one was not",))  # fmt: skip
    return ruled_out("nothing is throttled")


def failed(facts: Facts) -> bool:
    return facts.invoked is not None and bool(facts.invoked.error)


def entry(facts: Facts) -> Judgement:
    """§8.4: the entry point is missing, or may not be run."""
    text, package = by_the_function(facts), facts.package
    words = ("permission denied", "Couldn't find valid bootstrap", "Runtime.ImportModuleError", "HandlerNotFound")
    said = [word for word in words if word in text]
    return of_package(facts, "entry", said if not linked(text) else [], package.entry if package else None)


def machine(facts: Facts) -> Judgement:
    """§8.5: built for another processor."""
    text, package = by_the_function(facts), facts.package
    said = [word for word in ("exec format error", "wrong ELF class", "invalid ELF header") if word in text]
    if package is not None and not package.machine and package.entry:
        return ruled_out("every program in it is for the function's architecture")
    return of_package(facts, "machine", said, package.machine if package else None)


def linked(text: str) -> list[str]:
    """What the dynamic loader says of libraries that it lacks."""
    found = re.findall(r"version `?GLIBC_[\d.]+'? not found|GLIBC_[\d.]+'? not found", text)
    found += re.findall(r"\S+: cannot open shared object file", text)
    return [*dict.fromkeys(found)]


def libraries(facts: Facts) -> Judgement:
    """§8.6: the platform lacks a library, or its glibc is older than the program wants."""
    text, package = by_the_function(facts), facts.package
    said = linked(text)
    if (
        "InvalidEntrypoint" in text
        and "no such file or directory" in text
        and package is not None
        and package.libraries
    ):
        said.append("no such file or directory")
    return of_package(facts, "libraries", said, package.libraries if package else None)


def of_package(facts: Facts, what: str, said: list[str], wrong: tuple[str, ...] | None) -> Judgement:
    """What the package shows and what its start said, weighed against each other."""
    if facts.invoked is None and wrong is None:
        return not_seen(facts, "invoked", "package")
    fixes = (Fix("build it again and release it", "miyabi release -e {environment}"), going_back())
    start = failed(facts) and (facts.invoked is not None and facts.invoked.error.startswith("Runtime."))
    if wrong and (said or start):
        return breaking(facts, *wrong, quoted(facts), fixes=fixes)
    if said and wrong is None:
        return likely(quoted(facts), fixes=fixes)
    if said:
        return breaking(facts, quoted(facts), fixes=fixes)
    if wrong:
        against = [well(facts) or "the function did not say so"]
        return possible(*wrong, against=against, fixes=fixes)
    return ruled_out(
        "the package shows nothing of it" if wrong is not None else "the function starts or says otherwise"
    )


def going_back() -> Fix:
    return Fix("go back to the release before", "miyabi rollback -e {environment}")


def start(facts: Facts) -> Judgement:
    """§8.7: it ends or fails while it starts, for a reason of its own."""
    if facts.invoked is None:
        return not_seen(facts, "invoked")
    if facts.invoked.error not in STARTING or "signal: killed" in facts.invoked.message:
        return ruled_out(facts.invoked.says)
    return breaking(facts, quoted(facts), *last_lines(facts), fixes=(going_back(),))


def last_lines(facts: Facts, count: int = 3) -> list[str]:
    """What it printed before it failed; the platform's own lines say nothing."""
    platform = ("START ", "END ", "REPORT ", "INIT_", "RequestId: ", "Runtime.", "Sandbox.", "XRAY ")
    printed = [line for line in (facts.invoked.tail if facts.invoked else ()) if not line.startswith(platform)]
    return [f"it printed: {' '.join(line.split())}" for line in printed[-count:]]


def timeout(facts: Facts) -> Judgement:
    """§8.9: it takes longer than it may."""
    function, invoked = facts.function, facts.invoked
    if invoked is None or function is None:
        return not_seen(facts, "invoked", "function")
    found = TIMED_OUT.search(invoked.text)
    if found is None and "Timedout" not in invoked.error:
        near = invoked.duration_ms is not None and invoked.duration_ms > 800 * function.timeout_s
        if near:
            return possible(f"it took {invoked.duration_ms:.0f} ms and may take {function.timeout_s} s")
        return ruled_out(f"it took {invoked.duration_ms or 0:.0f} ms and may take {function.timeout_s} s")
    while_starting = found is not None and float(found[1]) != float(function.timeout_s)
    what = "to start" if while_starting else f"for a request; its timeout is {function.timeout_s} s"
    longest = facts.figures.longest_ms if facts.figures else None
    more = (
        [f"the longest request of {facts.figures.minutes} minutes took {longest:.0f} ms"]
        if facts.figures and longest
        else []
    )
    fix = Fix("see what it waits for (the lines above, the database, a call without a timeout); else raise timeout_s")
    return breaking(facts, f"it takes more than {found[1] if found else function.timeout_s} s {what}", *more,
                    *last_lines(facts), fixes=(fix, going_back()))  # fmt: skip


def memory(facts: Facts) -> Judgement:
    """§8.9: it needs more memory than it has."""
    invoked = facts.invoked
    if invoked is None:
        return not_seen(facts, "invoked")
    full = invoked.used_mb is not None and invoked.size_mb is not None and invoked.used_mb >= invoked.size_mb
    if invoked.error and ("OutOfMemory" in invoked.error or ("signal: killed" in invoked.message and full)):
        return breaking(
            facts,
            quoted(facts),
            f"it used {invoked.used_mb} MB of {invoked.size_mb} MB",
            fixes=(Fix("raise function.memory_mb in the environment and release", "miyabi release -e {environment}"),),
        )
    if "signal: killed" in invoked.message:
        return likely(quoted(facts), fixes=(Fix("raise function.memory_mb in the environment and release"),))
    return ruled_out(f"it used {invoked.used_mb or '?'} MB of {invoked.size_mb or '?'} MB")


def shape(facts: Facts) -> Judgement:
    """§8.8: the gateway cannot make a response of what the function returns."""
    if facts.invoked is None:
        return not_seen(facts, "invoked")
    if not facts.invoked.misfit:
        return ruled_out(facts.invoked.says if facts.invoked.ran else "it does not come to an answer")
    said = [f"the access log says: {facts.access.error}"] if facts.access and facts.access.error else []
    return breaking(facts, f"what it returns is not a response: {facts.invoked.misfit}", *said, fixes=(going_back(),))


def code(facts: Facts) -> Judgement:
    """Its own code fails, with an error of its own."""
    invoked = facts.invoked
    if invoked is None:
        return not_seen(facts, "invoked")
    own = invoked.error and not invoked.error.startswith(("Runtime.", "Sandbox.", "Function."))
    if not own:
        return ruled_out(invoked.says)
    return breaking(facts, quoted(facts), *last_lines(facts), fixes=(going_back(),))


def backend(facts: Facts) -> Judgement:
    """The way is free and the backend itself says no."""
    invoked = facts.invoked
    if invoked is None:
        return not_seen(facts, "invoked")
    least = 500 if facts.subject is not None and facts.subject.past_api else 400  # nobody asked for this very path
    if not invoked.ran or invoked.misfit or (invoked.status or 0) < least:
        return ruled_out(invoked.says)
    fixes = (going_back(),) if (invoked.status or 0) >= 500 else ()
    return certain(quoted(facts), *last_lines(facts), fixes=fixes)
