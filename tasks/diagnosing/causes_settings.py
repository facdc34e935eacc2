"""Causes around the function: its variables, its secrets, its log, and how quick it is."""

import re

from tasks.diagnosing.facts import Facts
from tasks.diagnosing.facts_means import ContractSeen
from tasks.diagnosing.judging import RELEASE, breaking, by_the_function, not_seen, quoted, well
from tasks.diagnosing.model import Fix, Judgement, certain, likely, possible, ruled_out

NAMED = (
    re.compile(r"""KeyError:?\s*["']*([A-Z][A-Z0-9_]{2,})'"""),
    re.compile(
        r"""\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)\b[`'"]? (?:must be set|is not set|not set|is required|is missing|not found)"""
    ),
    re.compile(
        r"""(?i:environment variable|missing (?:env(?:ironment)? )?var(?:iable)?)(?: not (?:found|set))?:? """
        r"""[`'"]?([A-Z][A-Z0-9_]{2,})"""
    ),
)
"""How programs say that a variable is missing."""
COLD_MS = 3000.0


def variable(facts: Facts) -> Judgement:
    """§8.7: the code requires a variable that is not set."""
    function, contract = facts.function, facts.contract
    if function is None or contract is None:
        return not_seen(facts, "function", "contract")
    text = by_the_function(facts)
    wanting = [name for name in (*contract.absent, *contract.unset) if re.search(rf"\b{name}\b", text)]
    if wanting:
        evidence = [f"{name} is not set, and the failure names it{how(contract, name)}" for name in wanting]
        return breaking(facts, *evidence, quoted(facts), fixes=fixes_for(wanting, contract))
    if named := [name for name in told_in(text) if name not in function.variables]:
        return likely(f"the failure names {', '.join(named)}, which is not set", fixes=fixes_for(named, contract))
    return by_contract(facts, contract)


def by_contract(facts: Facts, contract: ContractSeen) -> Judgement:
    """Nothing names a variable; what the contract says of it."""
    lacking = [*contract.absent, *contract.unset]
    if not lacking:
        return ruled_out(contract.says)
    evidence = [f"{name} is not set{how(contract, name)}" for name in lacking]
    failing = bool(by_the_function(facts))
    if contract.absent and failing:
        return likely(*evidence, against=("the failure does not name it",), fixes=fixes_for(lacking, contract))
    return possible(
        *evidence,
        against=(well(facts) or "the function does not complain",),
        fixes=fixes_for(lacking, contract),
    )


def how(contract: ContractSeen, name: str) -> str:
    """How we know that it is wanted."""
    where = contract.required.get(name)
    return f" (required: {where})" if where else " (a release sets it)"


def told_in(text: str) -> list[str]:
    return [*dict.fromkeys(name for pattern in NAMED for name in pattern.findall(text))]


def fixes_for(names: list[str], contract: ContractSeen) -> tuple[Fix, ...]:
    """Those that the environment has a value for are set by --fix; for the others it has to be given one."""
    known = [name for name in names if name in contract.known]
    fixes = []
    if known:
        says = f"set {', '.join(known)} as the environment has it: a new version with the same code"
        fixes.append(Fix(says, "miyabi diagnose -e {environment} --fix", safe="variables"))
    if others := [name for name in names if name not in known]:
        fixes.append(
            Fix(
                f"add {', '.join(others)} to function.variables or function.plain_secrets in"
                " deployments/environments/{environment}.toml, then configure and release",
                "miyabi configure && miyabi release -e {environment}",
            )
        )
    return tuple(fixes)


def secret(facts: Facts) -> Judgement:
    """§8.7: a secret that the function is given is not there, or not for its role."""
    seen = facts.secrets
    if seen is None:
        return ruled_out(facts.why_not["secrets"]) if no_secrets(facts) else not_seen(facts, "secrets")
    failing = bool(by_the_function(facts))
    gone = [f"{name}: {why}" for name, why in seen.gone.items()]
    unreadable = [
        f"the role's policies do not allow secretsmanager:GetSecretValue on {name}" for name in seen.unreadable
    ]
    restorable = all("can still be restored" in why for why in seen.gone.values())
    restore = Fix("restore it with its old value", "miyabi diagnose -e {environment} --fix", safe="secrets")
    provision = restore if restorable else RELEASE
    role = Fix("give the role its rights back", "miyabi diagnose -e {environment} --fix", safe="role")
    if gone and failing:
        return breaking(facts, *gone, quoted(facts), fixes=(provision,))
    if gone:  # what runs may still hold its value: the next start has none
        return likely(*gone, against=(well(facts) or "the function does not complain",), fixes=(provision,))
    if unreadable and failing:
        return likely(*unreadable, quoted(facts), fixes=(role, RELEASE))
    if unreadable:
        return possible(*unreadable, against=(well(facts) or "the function does not complain",), fixes=(role,))
    return ruled_out(seen.says)


def no_secrets(facts: Facts) -> bool:
    return facts.function is not None and facts.function.exists and not facts.function.secrets


def log_rights(facts: Facts) -> Judgement:
    """§8.3: it runs, and may not write what it prints; or writes it elsewhere."""
    logs = facts.logs
    if logs is None:
        return not_seen(facts, "logs")
    role = Fix(f"give role {logs.role} its rights back", "miyabi diagnose -e {environment} --fix", safe="role")
    group = Fix("make the log group, with its retention", "miyabi diagnose -e {environment} --fix", safe="logs")
    if not logs.role_exists:
        return certain(f"role {logs.role} does not exist", fixes=(role, RELEASE))
    if logs.lacking == ("logs:CreateLogGroup",):
        why = f"there is no group {logs.group}, and role {logs.role} may not make one"
        return certain(*filter(None, [why, silence(facts)]), fixes=(group, RELEASE))
    if logs.lacking:
        evidence = [f"role {logs.role} lacks {', '.join(logs.lacking)} on {logs.group}", silence(facts)]
        fixes = (role, *(() if logs.exists else (group,)), RELEASE)
        return (likely if logs.doubt else certain)(*filter(None, evidence), fixes=fixes)
    if logs.elsewhere:
        return certain(f"its lines go to {logs.group}, not to {logs.expected}", fixes=(RELEASE,))
    if not logs.exists:
        return possible(f"there is no group {logs.group}; the role may make it", fixes=(group,))
    return ruled_out(logs.says)


def silence(facts: Facts) -> str:
    """That it ran, and nothing of it can be read."""
    if facts.figures is None or not facts.figures.invocations or facts.logs is None or facts.logs.streams:
        return ""
    return f"{facts.figures.invocations} invocations, and not one stream in the group"


def leak(facts: Facts) -> Judgement:
    """Each request leaves a connection open."""
    if facts.warmth is None or facts.warmth.grown is None:
        return not_seen(facts, "warmth", "database")
    if not facts.warmth.leaks:
        return ruled_out(f"{len(facts.warmth.warm_ms)} requests left {max(0, facts.warmth.grown)} connections")
    evidence = f"{len(facts.warmth.warm_ms)} requests left {facts.warmth.grown} connections more"
    return likely(evidence, fixes=(Fix("make the pool once, outside of the handler"),))


def reconnecting(facts: Facts) -> Judgement:
    """Each request does what a start should do once."""
    seen = facts.warmth
    if seen is None:
        return not_seen(facts, "warmth")
    fix = Fix("make pool, client and router once, outside of the handler")
    if seen.starts > 1:
        return likely(
            f"{seen.starts} of {len(seen.warm_ms)} requests started the function anew: it ends after each", fixes=(fix,)
        )
    if seen.reconnects:
        return likely(f"{len(seen.warm_ms)} requests opened {seen.opened} connections", fixes=(fix,))
    if seen.init_ms and seen.median_ms > 200 and seen.median_ms > 0.5 * seen.init_ms:
        return possible(f"a request takes {seen.median_ms:.0f} ms, a start {seen.init_ms:.0f} ms", fixes=(fix,))
    return ruled_out(seen.says)


def cold(facts: Facts) -> Judgement:
    """A start takes so long that callers give up."""
    if facts.warmth is None:
        return not_seen(facts, "warmth")
    init = facts.warmth.init_ms
    if init is None:
        return ruled_out("it had started already")
    if init <= COLD_MS:
        return ruled_out(f"a start takes {init:.0f} ms")
    fix = Fix("a smaller package, more memory (it is also more processor), or function.provisioned_concurrency")
    return likely(f"a start takes {init:.0f} ms, a request {facts.warmth.median_ms:.0f} ms", fixes=(fix,))
