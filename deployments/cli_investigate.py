"""`miyabi investigate`: a thin front to the flow of that name."""

import re
from pathlib import Path

import click

from deployments.cli import json_option, run_flow


def whole_path_from(where: str) -> str:
    """A path that is there from here as a whole path; an address or a number as it is, if it holds no password."""
    if re.search(r"://[^/@]*:[^/@]*@", where):
        raise click.BadParameter("take the credentials out of the address: set MIYABI_GIT_TOKEN where the worker runs")
    here = Path(where).expanduser()
    return str(here.resolve()) if here.exists() else where


@click.command()
@click.option(
    "--repository",
    "-r",
    default=".",
    show_default=True,
    callback=lambda _c, _o, where: whole_path_from(where),
    help="A folder, or the address of a git repository.",
)
@click.option("--ref", default="", help="Branch, tag or commit.  [default: a folder as it is]")
@click.option(
    "--issue",
    "-i",
    default="",
    callback=lambda _c, _o, issue: whole_path_from(issue) if issue else "",
    help="Whose claims are judged: a Markdown or JSON file, or a number at GitHub.",
)
@click.option("--environment", "-e", default="", help="Ask AWS there, too; only reads.")
@click.option("--build", is_flag=True, help="Run `cargo build` on a copy: that runs the repository's build scripts.")
@json_option
def investigate(repository: str, ref: str, issue: str, environment: str, build: bool, as_json: bool) -> None:
    """Judge an issue's claims by what a repository really holds; say what is left to do. Reads only."""
    parameters = {"repository": repository, "ref": ref, "issue": issue, "environment": environment, "build": build}
    artifact, others = ("claims", ("investigation-data",)) if as_json else ("investigation", ())
    run_flow("investigate", environment or "local", parameters, as_json=as_json, artifact=artifact, label="claims",
             others=others)  # fmt: skip
