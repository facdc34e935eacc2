"""`miyabi report`: a thin front to the flow of that name."""

import click

from deployments.cli import environment_option, json_option, run_flow

PARTS = ("costs", "findings", "drift", "report-data")
"""What a report leaves for machines beside its components: tables, and all of it."""


def figures(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, float]:
    """`requests=5e6` as a name and a number."""
    found = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError as error:
            raise click.BadParameter(f"{text!r}: write it as requests=5000000") from error
    return found


@click.command()
@environment_option
@click.option(
    "--assume",
    "-a",
    multiple=True,
    metavar="NAME=NUMBER",
    callback=figures,
    help="Of a month, for the cost table: requests=5000000; often.  [default: the environment's]",
)
@click.option("--refresh-prices", is_flag=True, help="Ask AWS's Pricing API instead of the price book.")
@json_option
def report(environment: str, assume: dict[str, float], refresh_prices: bool, as_json: bool) -> None:
    """What there is, what it costs, what is open, what has changed. Reads only."""
    parameters = {"environment": environment, "assume": assume, "refresh": refresh_prices}
    artifact, others = ("components", PARTS) if as_json else ("report", ())
    run_flow("report", environment, parameters, as_json=as_json, artifact=artifact, label="components", others=others)
