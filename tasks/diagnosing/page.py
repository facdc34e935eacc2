"""A diagnosis as a page for people, as rows for machines, and as JSON."""

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from blocks.commands import typed
from blocks.environment import Environment
from tasks.diagnosing.facts import Facts
from tasks.diagnosing.judging import RELEASE, well
from tasks.diagnosing.model import Diagnosis, Fix, Judged, Probed
from tasks.reports import fit_rows, masked, table

STANDINGS = {"well": "✓", "odd": "✗", "unknown": "?", "skipped": "–"}
HINDERS = {
    "requests": "requests fail",
    "releases": "releases fail",
    "logs": "logs are missing",
    "speed": "requests are slow",
}


def render(found: Diagnosis, environment: Environment) -> str:
    """The page: the verdict, the causes with what speaks for and against them, what is ruled out, the probes."""
    parts = [
        *verdict(found),
        f"**Asked about** {found.target}  \n**Environment** {found.environment}, in {found.seconds:.1f} s",
        *mended(found.mended),
        *causes(found, environment),
        "## What was looked at",
        probes(found.probed),
        *not_judged(found.having("unknown")),
        *ruled_out(found.having("ruled out")),
    ]
    return masked("\n\n".join(parts) + "\n")


def verdict(found: Diagnosis) -> Iterator[str]:
    """The heading."""
    sure = found.having("certain") or found.having("likely")
    if not sure:
        yield f"# {mark(found)} {plain(found.headline)}"
        return
    more = f", and {len(sure) - 1} more" if len(sure) > 1 else ""
    yield f"# {mark(found)} {'' if found.having('certain') else 'Probably: '}{sure[0].cause.title}{more}"


def mark(found: Diagnosis) -> str:
    if found.having("certain", "likely"):
        return STANDINGS["odd"]
    nothing = all(one.verdict == "ruled out" for one in found.judged)
    return STANDINGS["well" if nothing or (isinstance(found.facts, Facts) and well(found.facts)) else "unknown"]


def mended(lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield "## Mended, before this was looked at"
        yield "\n".join(f"- {plain(line)}" for line in lines)


def causes(found: Diagnosis, environment: Environment) -> Iterator[str]:
    """Those that may be it, the surest first."""
    listed = found.having("certain", "likely", "possible")
    if listed:
        yield "## Causes"
    for number, one in enumerate(listed, 1):
        yield f"### {number}. {one.verdict.capitalize()}: {one.cause.title}"
        yield "\n".join(lines_of(one))
        if one.judgement.fixes:
            yield "**To mend it**"
            yield "\n".join(fix_line(fix, found, environment) for fix in fixes_of(one))


def lines_of(one: Judged) -> Iterator[str]:
    if one.verdict != "possible":  # while it is only that, it may hinder nothing
        yield f"*{HINDERS[one.cause.hinders]}*\n"
    for evidence in one.judgement.evidence:
        yield f"- **for**: {plain(evidence)}"
    for against in one.judgement.against:
        yield f"- **against**: {plain(against)}"


def plain(text: str) -> str:
    """Text of others that cannot become a heading, a link or a tag."""
    return " ".join(text.split()).replace("<", "&lt;").replace("`", "'").replace("__", r"\_\_")


def fixes_of(one: Judged) -> list[Fix]:
    """Each once. `--fix` does nothing about what is only possible: there a release puts the part back."""
    if one.verdict == "possible":
        return list(dict.fromkeys(replace(RELEASE, says=fix.says) if fix.safe else fix for fix in one.judgement.fixes))
    return list(dict.fromkeys(one.judgement.fixes))


def fix_line(fix: Fix, found: Diagnosis, environment: Environment) -> str:
    command = command_of(fix, found, environment)
    return f"- {typed(fix.says, environment)}" + (f": `{command}`" if command else "")


def command_of(fix: Fix, found: Diagnosis, environment: Environment) -> str:
    """What to type here; `--fix` is about what was asked about."""
    again = f"miyabi diagnose {shlex.quote(found.asked)} " if found.asked else "miyabi diagnose "
    return typed(fix.command.replace("miyabi diagnose ", again), environment)


def ruled_out(judged: Sequence[Judged]) -> Iterator[str]:
    if judged:
        yield "## Ruled out"
        yield table(
            ("cause", "because"), [(one.cause.title, plain("; ".join(one.judgement.against))) for one in judged]
        )


def not_judged(judged: Sequence[Judged]) -> Iterator[str]:
    if judged:
        yield "## Not judged"
        rows = [(one.cause.title, plain("; ".join(one.judgement.against) or "nothing was found out")) for one in judged]
        yield table(("cause", "because"), rows)


def probes(probed: Sequence[Probed]) -> str:
    rows = [(STANDINGS[one.standing], one.name, f"{one.ms:.0f} ms", plain(one.says)) for one in probed]
    return table(("", "looked at", "took", "found"), rows)


def rows_of(found: Diagnosis, environment: Environment) -> list[dict[str, str]]:
    """A row for each cause, the surest first."""
    return fit_rows(
        [
            {
                "cause": one.cause.key,
                "verdict": one.verdict,
                "title": one.cause.title,
                "hinders": one.cause.hinders,
                "for": "\n".join(one.judgement.evidence),
                "against": "\n".join(one.judgement.against),
                "fix": "\n".join(
                    dict.fromkeys(
                        command_of(fix, found, environment) or typed(fix.says, environment) for fix in fixes_of(one)
                    )
                ),
                "fixed by --fix": "yes" if any(fix.safe for fix in fixes_of(one)) else "no",
            }
            for one in found.judged
        ]
    )


def as_json(found: Diagnosis, environment: Environment) -> str:
    """All of it for machines."""
    whole: dict[str, Any] = {
        "environment": found.environment,
        "target": found.target,
        "headline": found.headline,
        "seconds": round(found.seconds, 2),
        "causes": rows_of(found, environment),
        "probes": [{"name": p.name, "standing": p.standing, "says": p.says, "ms": round(p.ms)} for p in found.probed],
    }
    return masked(json.dumps(whole, indent=2, ensure_ascii=False)) + "\n"
