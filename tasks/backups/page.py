"""A verification for people: the verdict, RPO and RTO beside what is asked for, every check, and the nights before."""

import base64
from collections.abc import Sequence
from datetime import timedelta

from blocks.environment import Environment
from tasks.backups.comparing import age_words
from tasks.backups.proof import Proof, Verified

HEAD = ("when", "backup", "", "its age", "RTO", "rows", "size, MB", "what was wrong")
SHOWN = 14
"""Verifications that the table lists; the picture shows all that are kept."""


def page_of(environment: Environment, proof: Proof, past: Sequence[Verified], rpo: float | None) -> str:
    settings = environment.backup
    verdict = "restorable" if proof.passed else "**not proven**"
    rto = proof.rto_s
    figures = [
        ("RPO: what a disaster now would cost", span(rpo, none="everything"), f"{settings.rpo_hours:g} hours",
         mark(rpo is not None and rpo <= settings.rpo_hours * 3600)),
        ("RTO: until the application answers again", span(rto, none="not known"), f"{settings.rto_minutes:g} minutes",
         mark(None if rto is None else rto <= settings.rto_minutes * 60)),
    ]  # fmt: skip
    parts = [
        f"# Backup {environment.name} {proof.backup}: {verdict}",
        grid(("", "measured", "wanted", ""), figures),
        picture(past, environment),
        "## Checks",
        grid(("check", "", "found"), [tuple(check.row().values()) for check in proof.checks]),
        "## How long each part took",
        grid(("part", "seconds"), [(part, f"{seconds:.1f}") for part, seconds in proof.seconds.items()])
        if proof.seconds else "Nothing was restored.",
        "## The last verifications",
        grid(HEAD, [row(entry) for entry in reversed(past[-SHOWN:])]),
    ]  # fmt: skip
    return "\n\n".join(filter(None, parts)) + "\n"


def row(entry: Verified) -> tuple[str, ...]:
    return (
        f"{entry.at:%Y-%m-%d %H:%M}", entry.backup, mark(entry.passed), span(entry.age_s),
        span(entry.rto_s, none="-"), f"{entry.rows:,}" if entry.rows is not None else "-",
        f"{entry.size / 1e6:,.1f}" if entry.size is not None else "-", "; ".join(entry.problems)[:200],
    )  # fmt: skip


def span(seconds: float | None, *, none: str = "-") -> str:
    if seconds is None:
        return none
    return f"{seconds:.1f} seconds" if seconds < 120 else age_words(timedelta(seconds=seconds))


def mark(ok: bool | None) -> str:
    return {True: "✓", False: "✗", None: "-"}[ok]


def picture(past: Sequence[Verified], environment: Environment) -> str:
    from tasks.backups.picture import draw  # matplotlib: half a second, and only a verification has a picture

    data = base64.b64encode(draw(past, environment.backup, f"{environment.name}: verified backups")).decode()
    return f"![RPO and RTO](data:image/png;base64,{data})"


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    )
