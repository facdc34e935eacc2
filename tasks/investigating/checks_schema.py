"""Checks of migrations and of the schema that they make."""

import re
from itertools import chain

from database.investigation_models import Problem
from tasks.investigating.claims import Claim
from tasks.investigating.looking import Looked, Seen, count, listed
from tasks.investigating.model import Facts, Made, Place

NO_SUBJECT = frozenset({
    "schema", "schemas", "table", "tables", "database", "migration", "migrations", "missing", "not", "implemented",
    "the", "exist", "exists", "are", "and", "for", "has", "have", "disabled", "broken", "implementation", "yet",
    "model", "data", "there", "does", "don", "doesn", "isn", "aren", "any", "all", "this", "that", "with", "was",
    "were", "been", "still", "created", "present", "works", "working", "sql", "postgres", "postgresql", "seeded",
})  # fmt: skip
SYNONYMS = {
    "rbac": ("permission", "role"), "multi": ("organization",), "tenant": ("organization",), "auth": ("user",),
    "組織": ("organization",), "チーム": ("team",), "権限": ("permission",), "ロール": ("role",), "ユーザ": ("user",),
}  # fmt: skip
WRITTEN = re.compile("|".join(["[a-z]{3,}", *(word for word in SYNONYMS if not word.isascii())]))
"""The words that a schema may be asked about by; Japanese has no spaces between them."""


def schema(facts: Facts, claim: Claim | None) -> Looked:
    """The tables that a claim names, or all: do migrations make them?"""
    made = list(chain.from_iterable(one.made for one in facts.migrations))
    if not facts.migrations:
        problems = [no_schema("There are no migrations")] if facts.has_code else []
        return Looked("absent", "there is no directory of migrations", [], problems)
    tables = [one for one in made if one.kind == "table"]
    wanted = stems(claim)
    if not wanted:
        kinds = ", ".join(count(sum(one.kind == kind for one in made), kind) for kind in ("table", "view", "enum"))
        return Looked("ready" if tables else "absent", f"migrations make {kinds}", seen_tables(tables))
    having = {stem: [one for one in tables if stem in one.name.lower()] for stem in wanted}
    lacking = [stem for stem, found in having.items() if not found]
    names = [one for one in tables if any(one in found for found in having.values())]
    if not lacking:
        return Looked("ready", f"migrations make {listed([one.name for one in names])}", seen_tables(names))
    says = f"no migration makes a table for {listed(lacking)}"
    return Looked("partly" if names else "absent", says, seen_tables(names), [no_schema(says[0].upper() + says[1:])])


def stems(claim: Claim | None) -> list[str]:
    """The words of a claim that tables may be named after; the subject's, else the sentence's."""
    if claim is None:
        return []
    for words in (claim.subject, claim.text):
        found = [word for word in WRITTEN.findall(words.lower()) if word not in NO_SUBJECT]
        known = list(chain.from_iterable(SYNONYMS.get(word, (word.rstrip("s"),)) for word in found))
        if known:
            return list(dict.fromkeys(known))
    return []


def seen_tables(tables: list[Made]) -> list[Seen]:
    files = dict.fromkeys(one.place.file for one in tables)
    return [
        Seen(span, listed([one.name for one in tables if one.place.file == file]))
        for file in files
        for span in whole([one for one in tables if one.place.file == file])
    ]


def whole(tables: list[Made]) -> list[Place]:
    first, last = min(one.place.first for one in tables), max(one.place.last for one in tables)
    return [Place(tables[0].place.file, first, last)]


def no_schema(title: str) -> Problem:
    return Problem(
        title=title,
        impact="high",
        why="what handlers ask for is not there: they answer 500",
        evidence=[],
        fix=["write the migration, and one back", "run it on an empty database and on a copy"],
        hours=(4, 12),
    )


def migrations(facts: Facts, _claim: Claim | None) -> Looked:
    """Would a runner take them: names, versions, texts; and did a scratch database, where one was given?"""
    if not facts.migrations:
        return Looked("absent", "there is no directory of migrations")
    problems = [text for one in facts.migrations for text in [*one.problems, *([one.refused] if one.refused else [])]]
    total = sum(len(one.files) for one in facts.migrations)
    seen = [
        Seen(None, f"{one.folder}: {count(len(one.files), 'migration')}" + applied(one.applied) + seeds(one.seeds))
        for one in facts.migrations
    ]
    if not problems:
        untried = next((one.untried for one in facts.migrations if one.untried), "MIYABI_SCRATCH_DATABASE is not set")
        tried = all(one.applied is not None for one in facts.migrations)
        says = "apply on an empty database" if tried else f"are well formed; none was applied: {untried}"
        return Looked("working" if tried else "ready", f"{count(total, 'migration')} {says}", seen)
    problem = Problem(
        title="Migrations that do not apply",
        impact="critical",
        why="; ".join(problems)[:600],
        evidence=[one.folder for one in facts.migrations if one.problems or one.refused],
        fix=["mend what is named; what was applied anywhere keeps its version and text"],
        hours=(1, 4),
    )
    return Looked("partly", problems[0], [*seen, *(Seen(None, text) for text in problems)], [problem])


def applied(counts: dict[str, int] | None) -> str:
    return f", applied: {', '.join(count(number, kind) for kind, number in counts.items())}" if counts else ""


def seeds(rows: dict[str, int]) -> str:
    return f" ({listed([f'{table} {number}' for table, number in rows.items()])})" if rows else ""
