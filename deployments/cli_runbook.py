"""`miyabi runbook`: the list, or a thin front to the flow of that name."""

import json

import click

from deployments.cli import environment_option, json_option, run_flow


@click.command()
@click.argument("name", required=False)
@click.argument("target", default="")
@environment_option
@json_option
def runbook(name: str | None, target: str, environment: str, as_json: bool) -> None:
    """Check one trouble that is known, and say what to do. Without NAME: which there are. Reads only.

    TARGET says what exactly, where a runbook takes one; else it is what is deployed.
    """
    from tasks.runbooks.runbooks import NAMES

    if name is None:
        show(as_json)
        return
    if name not in NAMES:
        raise click.BadParameter(f"there is no runbook {name!r}; there are {', '.join(NAMES)}", param_hint="NAME")
    if target and not NAMES[name].target:
        raise click.BadParameter(f"the runbook {name!r} takes none", param_hint="TARGET")
    artifact, others = ("runbook-causes", ("runbook-data",)) if as_json else ("runbook", ())
    parameters = {"name": name, "environment": environment, "target": target}
    run_flow("runbook", environment, parameters, as_json=as_json, artifact=artifact, label="causes", others=others)


def show(as_json: bool) -> None:
    """Every runbook with its symptom."""
    from tasks.runbooks.runbooks import RUNBOOKS

    facts = [{"name": one.name, "symptom": one.symptom, "target": one.target, "source": one.source} for one in RUNBOOKS]
    if as_json:
        click.echo(json.dumps({"runbooks": facts}, indent=2, ensure_ascii=False))
        return
    for one in facts:
        click.echo(f"{one['name']:<22}{one['symptom']}" + (f"  [{one['target']}]" if one["target"] else ""))
