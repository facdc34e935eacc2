"""`miyabi diagnose`: a thin front to the flow of that name."""

import click

from deployments.cli import environment_option, json_option, run_flow, source_option


@click.command()
@click.argument("target", default="")
@environment_option
@source_option
@click.option("--fix", is_flag=True, help="Apply the safe remedies; they are shown as a plan first.")
@json_option
def diagnose(target: str, environment: str, source: str | None, fix: bool, as_json: bool) -> None:
    """Find out why TARGET fails: a URL, a function's name, or a release's id.  [default: what is deployed]"""
    parameters = {"environment": environment, "target": target, "source": source or "", "fix": fix}
    artifact, others = ("causes", ("diagnosis-data",)) if as_json else ("diagnosis", ())
    run_flow("diagnose", environment, parameters, as_json=as_json, artifact=artifact, label="causes", others=others)
