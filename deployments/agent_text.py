"""What the `miyabi agents` commands print: tables, an execution, log lines with the colour of their level.

What an agent or its program said may hold anything: control characters are made visible, so that no line of a log can
move the cursor of the terminal or hide what stands above it.
"""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

Row = Mapping[str, Any]
COLOURS = {"completed": "green", "failed": "red", "cancelled": "magenta", "running": "cyan", "pending": "yellow",
           "WARN": "yellow", "ERROR": "red", "red": "red", "yellow": "yellow", "blue": "blue",
           "green": "green"}  # fmt: skip
SPACES = "\n\t\u00a0\u3000"
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def table(rows: Sequence[Sequence[str]], *, titles: Sequence[str]) -> str:
    """Columns as wide as they need to be. A cell that is a status, a level or a colour has its colour."""
    cells = [titles, *rows]
    widths = [max(width(row[column]) for row in cells) for column in range(len(titles))]
    lines = [[padded(cell, size) for cell, size in zip(row, widths, strict=True)] for row in cells]
    painted = ["  ".join(paint(cell, cell.strip()) for cell in line).rstrip() for line in lines[1:]]
    return "\n".join([click.style("  ".join(lines[0]).rstrip(), dim=True), *painted])


def executions_table(rows: Sequence[Row], now: datetime) -> str:
    titles = ("id", "agent", "repository", "issue", "prio", "status", "asked", "took", "")
    return table([execution_cells(row, now) for row in rows], titles=titles)


def execution_cells(row: Row, now: datetime) -> list[str]:
    issue = f"#{row['issue_number']}" if row["issue_number"] else ""
    where = row.get("repository") or ""
    what = shortened(harmless(": ".join(filter(None, [row.get("title"), said(row)]))), 60)
    asked = ago(row["created_at"], now)
    return [row["id"][:8], row["agent_type"], where, issue, row["priority"], row["status"], asked, took(row, now), what]


def agents_table(agents: Sequence[Row]) -> str:
    rows = [[a["id"], a["character"] or "", a["kind"], a["colour"], a["description"]] for a in agents]
    return table(rows, titles=("agent", "", "kind", "colour", "what it does"))


def agent_page(agent: Row) -> str:
    """One agent with the fields of its input."""
    schema = agent["input_schema"]
    fields = [field_cells(name, field, schema) for name, field in schema["properties"].items()]
    head = [
        f"{click.style(agent['id'], bold=True)}  {agent['name']} {agent['character'] or ''}".rstrip(),
        agent["description"] + ": " + ", ".join(agent["capabilities"]),
        f"kind {agent['kind']}, {paint(agent['colour'], agent['colour'])} ({agent['rule']}), "
        f"{agent['timeout_s']} s an attempt, "
        f"{agent['max_attempts']} attempts; needs {agent['needs']}; its labels are {', '.join(agent['triggers'])}",
    ]
    return "\n".join([*head, "", table(fields, titles=("input", "type", "default", ""))])


def field_cells(name: str, field: Row, schema: Row) -> list[str]:
    default = "" if field.get("default") in (None, "", []) else json.dumps(field["default"], ensure_ascii=False)
    return [name, kind_of(field, schema), default, field.get("description", "")]


def kind_of(field: Row, schema: Row) -> str:
    if "anyOf" in field:
        return kind_of(next(part for part in field["anyOf"] if part.get("type") != "null"), schema)
    if "$ref" in field:
        return "{" + ", ".join(schema["$defs"][field["$ref"].rpartition("/")[2]]["properties"]) + "}"
    if "enum" in field:
        return shortened(" | ".join(map(str, field["enum"])), 40)
    if field.get("type") == "array":
        return f"[{kind_of(field['items'], schema)}]"
    return str(field.get("type", "any"))


def execution_page(row: Row, now: datetime, run_url: str | None) -> str:
    """One execution: how it stands, its steps, its result."""
    facts = {
        "id": row["id"], "status": paint(row["status"], row["status"]) + stopping(row),
        "attempt": f"{row['attempt']} of {row['max_attempts']}",
        "asked": f"{local(row['created_at'])}, priority {row['priority']}", "took": took(row, now),
        "not before": later(row, now),
        "parent": row["parent_id"], "flow run": run_url or row["flow_run_id"], "pull request": row["pr_number"],
        "score": row["quality_score"], "summary": harmless(row["result_summary"] or ""),
        "error": harmless(row["error_message"] or ""),
    }  # fmt: skip
    lines = [click.style(title(row), bold=True)]
    lines += [f"  {name:<13}{indented(str(value), 15)}" for name, value in facts.items() if value not in (None, "")]
    lines += ["", *map(step_line, row["steps"])] if row["steps"] else []
    for name in ("input", "result"):
        if row[name]:
            lines += ["", name, harmless(json.dumps(row[name], indent=2, ensure_ascii=False))]
    return "\n".join(lines)


def title(row: Row) -> str:
    issue = f" #{row['issue_number']}" if row["issue_number"] else ""
    return f"{row['agent_type']}{issue} {row.get('repository') or ''}".rstrip()


def stopping(row: Row) -> str:
    return ", asked to stop" if row["status"] == "running" and row["cancel_requested_at"] else ""


def later(row: Row, now: datetime) -> str:
    """When one that pauses may begin."""
    waits = row["status"] == "pending" and row["run_after"] and datetime.fromisoformat(row["run_after"]) > now
    return local(row["run_after"]) if waits else ""


def step_line(step: Row) -> str:
    mark = {"completed": "✓", "failed": "✗"}.get(step["status"], "…")
    error = f"  {harmless(step['error'])}" if step["error"] else ""
    return f"  {paint(mark, step['status'])} {step['number']:>3}  {harmless(step['name'])}{error}"


def outcome(row: Row, now: datetime) -> str:
    """How it ended, in a line, and why."""
    when = f"after {took(row, now)}" if row["started_at"] else "before it began"
    line = f"{title(row)}: {paint(row['status'], row['status'])} {when}"
    return f"{line}\n{harmless(said(row))}" if said(row) else line


def said(row: Row) -> str:
    """The reason or the summary, if it says more than the status does."""
    text = str(row["error_message"] or row["result_summary"] or "")
    return "" if text == row["status"] else text


def log_line(line: Row) -> str:
    """Time, level and message; further lines of a message stand below its first."""
    level = line["log_level"]
    text = f"{local(line['timestamp'])[11:]}  {level:<5}  {indented(harmless(line['message']), 17)}"
    return click.style(text, dim=True) if level == "DEBUG" else paint(text, level)


def harmless(text: str) -> str:
    """Without colours and cursor movements; what else cannot be seen is shown as `·`."""
    plain = ESCAPES.sub("", text).replace("\r\n", "\n").rstrip("\n")
    return "".join(letter if letter.isprintable() or letter in SPACES else "·" for letter in plain)


def indented(text: str, by: int) -> str:
    return text.replace("\n", "\n" + " " * by)


def paint(text: str, colour_of: str) -> str:
    return click.style(text, fg=COLOURS[colour_of]) if colour_of in COLOURS else text


def shortened(text: str, size: int) -> str:
    line = text.splitlines()[0] if text else ""
    return line if len(line) <= size and line == text else line[: size - 1] + "…"


def width(text: str) -> int:
    """Columns on a terminal: Japanese letters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def padded(text: str, size: int) -> str:
    return text + " " * (size - width(text))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def local(text: str) -> str:
    return moment(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def ago(text: str, now: datetime) -> str:
    return f"{span((now - moment(text)).total_seconds())} ago"


def took(row: Row, now: datetime) -> str:
    if not row["started_at"]:
        return ""
    end = moment(row["completed_at"]) if row["completed_at"] else now
    return span((end - moment(row["started_at"])).total_seconds())


def span(seconds: float) -> str:
    """In one or two units: `3.2 s`, `4 min`, `2 h`, `5 d`."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.1f} s"


def now_utc() -> datetime:
    return datetime.now(UTC)
