"""The linters and scanners that the review agent knows, and how one of them is run.

A tool is looked for in the clone's `.venv` and `node_modules`, in the PATH, and beside our own Python. It runs in a
process group of its own, without this machine's secrets. A change does not choose the rules that it is judged by: ruff,
mypy and bandit run without the project's configuration, and so without its plugins. eslint, tsc and cargo cannot do
without; they do not run on a change that touches it, or what they would execute (`trusts`). A tool that is absent,
fails or answers nonsense is reported with its reason and counts for nothing.
"""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tasks.agents import review_parsers as parsers
from tasks.agents.processes import Stream, environment, output_of, run
from tasks.agents.review_findings import Finding, Kind
from tasks.errors import MiyabiError

PATIENCE_S = 300.0
LARGEST = 16 * 1024 * 1024
"""Characters of a tool's answer that are read."""
KEPT = 500
"""Findings of one tool. A hundred of them bring any score to 0."""
VERSION = re.compile(r"\d+\.\d+[\w.+-]*")


@dataclass(frozen=True)
class Tool:
    """`suffixes`: of the files it looks at; `needs`: files of which one must be in the repository's root.

    `command` is followed by the files if it `takes_files`. `program` is what must be installed. `trusts` matches files
    that tell it what to do.
    """

    name: str
    program: str
    kinds: tuple[Kind, ...]
    command: tuple[str, ...]
    parse: Callable[[str, Path], list[Finding]]
    suffixes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    takes_files: bool = False
    trusts: re.Pattern[str] | None = None

    def told_by(self, touched: Sequence[str]) -> list[str]:
        return [name for name in touched if self.trusts and self.trusts.search(name)]

    def files(self, changed: Sequence[str]) -> list[str]:
        return [name for name in changed if name.endswith(self.suffixes)] if self.suffixes else []

    def applies(self, root: Path, changed: Sequence[str]) -> bool:
        """Dependencies are looked at whenever there are some; code, where it was changed."""
        configured = not self.needs or any((root / name).is_file() for name in self.needs)
        return configured and (not self.suffixes or bool(self.files(changed)))


PYTHON = (".py", ".pyi")
NEWEST = "py313"
"""What is new in Python is no fault."""
SCRIPT = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx")
TOOLS = (
    Tool("ruff", "ruff", ("lint", "type"),
         ("ruff", "check", "--isolated", f"--target-version={NEWEST}", "--select=E4,E7,E9,F,PLE",
          "--output-format=json", "--no-cache", "--exit-zero", "--"),
         parsers.ruff, PYTHON, takes_files=True),
    # what is not installed here is no fault of the code
    Tool("mypy", "mypy", ("type",),
         ("mypy", "--config-file=", "--no-pretty", "--no-error-summary", "--show-column-numbers",
          "--ignore-missing-imports", f"--cache-dir={os.devnull}", "--"),
         parsers.mypy, PYTHON, takes_files=True),
    Tool("eslint", "eslint", ("lint", "type"), ("eslint", "--format=json", "--no-warn-ignored", "--"),
         parsers.eslint, SCRIPT, takes_files=True, trusts=re.compile(r"(^|/)(eslint|\.eslint|package\.json$)")),
    Tool("tsc", "tsc", ("type",), ("tsc", "--noEmit", "--pretty", "false", "--project", "."),
         parsers.tsc, (".ts", ".tsx"), ("tsconfig.json",), trusts=re.compile(r"(^|/)tsconfig[^/]*\.json$")),
    Tool("clippy", "cargo-clippy", ("lint", "type"),
         ("cargo", "clippy", "--message-format=json", "--quiet", "--all-targets"),
         parsers.clippy, (".rs", "Cargo.toml"), ("Cargo.toml",),
         trusts=re.compile(r"(^|/)(build\.rs|Cargo\.(toml|lock)|\.?clippy\.toml|rust-toolchain[^/]*|\.cargo/.*)$")),
    # 101 is every assert of every test
    Tool("ruff security", "ruff", ("security",),
         ("ruff", "check", "--isolated", f"--target-version={NEWEST}", "--select=S", "--ignore=S101", "--ignore-noqa",
          "--output-format=json", "--no-cache", "--exit-zero", "--"),
         parsers.ruff_security, PYTHON, takes_files=True),
    Tool("bandit", "bandit", ("security",),
         ("bandit", "--quiet", "--format=json", "--skip=B101", "--ignore-nosec", "--exit-zero", "--"),
         parsers.bandit, PYTHON, takes_files=True),
    Tool("pip-audit", "pip-audit", ("security",),
         ("pip-audit", "--format=json", "--progress-spinner=off", "--no-deps", "--disable-pip", "--requirement",
          "requirements.txt"),
         parsers.pip_audit, needs=("requirements.txt",)),
    Tool("npm audit", "npm", ("security",), ("npm", "audit", "--json"),
         parsers.npm_audit, needs=("package-lock.json", "npm-shrinkwrap.json")),
    Tool("cargo audit", "cargo-audit", ("security",), ("cargo", "audit", "--json"),
         parsers.cargo_audit, needs=("Cargo.lock",)),
)  # fmt: skip


@dataclass(frozen=True)
class ToolReport:
    """How a tool fared. `detail` is its version if it ran, else why it did not."""

    tool: str
    state: Literal["ran", "absent", "failed"]
    detail: str
    kinds: list[Kind] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


class Heard:
    """What a tool said, as much as is bearable: of one that says more the answer is cut, and so cannot be read."""

    def __init__(self) -> None:
        self.lines: dict[Stream, list[str]] = {"stdout": [], "stderr": []}
        self._left = LARGEST

    def line(self, stream: Stream, text: str) -> None:
        self._left -= len(text)
        if self._left >= 0:
            self.lines[stream].append(text)

    @property
    def last_words(self) -> str:
        return " ".join((self.lines["stderr"] or self.lines["stdout"])[-3:])[:300]


LANGUAGES: Mapping[str, tuple[str, ...]] = {
    "Python": PYTHON, "JavaScript and TypeScript": SCRIPT, "Rust": (".rs",), "Go": (".go",), "Java": (".java", ".kt"),
    "Ruby": (".rb",), "PHP": (".php",), "C and C++": (".c", ".h", ".cc", ".cpp", ".hpp"), "C#": (".cs",),
    "shell": (".sh", ".bash"),
}  # fmt: skip


def unguarded(changed: Sequence[str], reports: Sequence[ToolReport]) -> list[str]:
    """The languages of a change whose code no security scanner looked at. An audit of dependencies reads no code."""
    ran = {report.tool for report in reports if report.state == "ran"}
    seen = {suffix for tool in TOOLS if tool.name in ran and "security" in tool.kinds for suffix in tool.suffixes}
    return [
        language
        for language, suffixes in LANGUAGES.items()
        if not seen & set(suffixes) and any(name.endswith(suffixes) for name in changed)
    ]


async def use(
    tool: Tool, root: Path, clone: Path, changed: Sequence[str], *, patience: float, touched: Sequence[str] = ()
) -> ToolReport:
    """Run one tool on the changed files below `root`. What it finds elsewhere is not this change's fault. `touched` is
    all of the change that is to be judged."""
    if telling := tool.told_by(touched):
        return ToolReport(tool.name, "failed", f"the change touches {telling[0]!r}, which tells it what to do")
    places = [
        clone / ".venv" / "bin",
        clone / "node_modules" / ".bin",
        *os.get_exec_path(),
        Path(sys.executable).parent,
    ]
    env = environment() | {"PATH": os.pathsep.join(map(str, places)), "CARGO_TARGET_DIR": str(clone / "target")}
    if shutil.which(tool.program, path=env["PATH"]) is None:
        return ToolReport(tool.name, "absent", f"{tool.program!r} is not installed")
    program = shutil.which(tool.command[0], path=env["PATH"]) or tool.command[0]
    command = [program, *tool.command[1:], *(tool.files(changed) if tool.takes_files else ())]
    heard = Heard()
    try:
        async with asyncio.timeout(patience):
            code = await run(command, cwd=root, env=env, said=heard.line, longest=LARGEST)
            version = await version_of(program, tool, root, env)
    except TimeoutError:
        return ToolReport(tool.name, "failed", f"it did not end within {patience:.0f} s")
    except MiyabiError as error:
        return ToolReport(tool.name, "failed", str(error))
    return judged(tool, root, changed, code, heard, version)


def judged(tool: Tool, root: Path, changed: Sequence[str], code: int, heard: Heard, version: str) -> ToolReport:
    """The findings in what it said; a failure if that is nothing, or nothing it should say."""
    try:
        findings = tool.parse("\n".join(heard.lines["stdout"]), root)
    except (ValueError, KeyError, TypeError) as error:
        return ToolReport(tool.name, "failed", f"exit status {code}: {heard.last_words or error}")
    if code and not findings:
        return ToolReport(tool.name, "failed", f"exit status {code}: {heard.last_words}")
    here = [f for f in findings if f.file is None or f.file in changed]
    return ToolReport(tool.name, "ran", version, list(tool.kinds), here[:KEPT])


async def version_of(program: str, tool: Tool, root: Path, env: dict[str, str]) -> str:
    subcommand = [tool.command[1]] if Path(program).name == "cargo" else []
    _, output, _ = await output_of([program, *subcommand, "--version"], cwd=root, env=env)
    match = VERSION.search(output)
    return match[0] if match else "unknown version"
