"""Leaked keys, by the forms that their makers give them, in files of whatever language."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tasks.agents.review_findings import Finding

FORMS: Mapping[str, re.Pattern[str]] = {
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
    "a GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,})"),
    "an Anthropic key": re.compile(r"\bsk-ant-[A-Za-z0-9_-]{20,}"),
    "an OpenAI key": re.compile(r"\bsk-(?:proj-)?[A-Za-z0-9_-]{40,}"),
    "a Slack token": re.compile(r"\bxox[abeprs]-[A-Za-z0-9-]{20,}"),
    "a Google key": re.compile(r"\bAIza[A-Za-z0-9_-]{35}"),
    "a Stripe key": re.compile(r"\b[rs]k_live_[A-Za-z0-9]{20,}"),
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    "a password in an address": re.compile(
        r"\b[a-z][a-z0-9+]{2,20}://[^\s:/@'\"{}$<>]+:[^\s:/@'\"{}$<>]{6,}@[\w.-]+\.\w"
    ),
}
LARGEST = 1024 * 1024
"""Bytes of a file that are read."""
EXAMPLES = re.compile(r"EXAMPLE|\.(?:example|invalid|test)\b|@127\.")
"""What documentation and tests use in a secret's place."""


def secrets_in(root: Path, files: Sequence[str]) -> list[Finding]:
    """Where something looks like a key. The key itself is not repeated."""
    return [finding for name in files for finding in secrets_of(root / name, name)]


def secrets_of(path: Path, name: str) -> Iterator[Finding]:
    if path.is_symlink() or not path.is_file():
        return
    with path.open("rb") as file:
        text = file.read(LARGEST).decode("utf-8", "replace")
    for number, line in enumerate(text.splitlines(), 1):
        for what, form in FORMS.items():
            if (match := form.search(line)) and not EXAMPLES.search(match[0]):
                message = f"{what} is in the code: revoke it, and read it from the environment or a secret store"
                yield Finding("secrets", "security", "critical", message, "leaked-key", name, number, match.start() + 1)
                break
