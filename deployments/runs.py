"""Run a deployment from the terminal: warn of what is stale, start it, follow it, say how it ended."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deployments.drift import warning
from deployments.prefect_api import PrefectApi, PrefectAway
from deployments.watch import Watcher, change_line, reason

Show = Callable[[str], None]
SITE = re.compile(r"^\| site \| (http\S+) \|$", re.MULTILINE)
"""Where a release's report says that the site is."""


@dataclass(frozen=True)
class Ended:
    """How a flow run ended, and the artifact that tells about it."""

    run: Mapping[str, Any]
    url: str
    artifact: Mapping[str, Any] | None
    others: Mapping[str, Any] = field(default_factory=dict)
    """Further tables and documents that it left, by name, for machines."""

    @property
    def done(self) -> bool:
        """Whether what was asked for was done. A rollback of nothing is completed, so that it may be repeated, and is
        not done: a person who asked for it must know."""
        return bool(self.run["state_type"] == "COMPLETED" and self.run["state_name"] != "NotDone")

    @property
    def message(self) -> str | None:
        """Why it ended so, in the words of its last state."""
        return (self.run.get("state") or {}).get("message")

    @property
    def told(self) -> Any:
        """The artifact: rows of a table, or markdown; None if the run left none."""
        if self.artifact is None:
            return None
        return contents(self.artifact)

    def facts(self, label: str) -> dict[str, Any]:
        """For machines; the artifact stands under `label`."""
        return {
            "flow_run": self.run["id"],
            "url": self.url,
            "state": self.run["state_name"],
            "message": self.message,
            label: self.told,
            **self.others,
        }

    def lines(self) -> Iterator[str]:
        """For people: the artifact as text, then how the run ended and why."""
        if isinstance(self.told, list):
            yield "\n" + "\n".join(change_line(row) for row in self.told)
        elif self.told:
            yield "\n" + without_changes(str(self.told)).strip()
        yield f"\n{self.run['name']}: {self.run['state_name']} after {self.run.get('total_run_time') or 0.0:.1f} s"
        if self.message and not self.done:
            yield reason(self.message)
        if self.done and (site := SITE.search(str(self.told or ""))):
            yield f"the site: {site[1]}"


def run_deployment(
    prefect: PrefectApi,
    flow: str,
    environment: str,
    parameters: dict[str, Any],
    *,
    artifact: str | None,
    others: Sequence[str] = (),
    show: Show,
    gone: Callable[[], bool],
    sleep: Callable[[float], None] = time.sleep,
) -> Ended:
    """Run `flow/environment` to its end. `artifact` is the first part of the key of what it leaves, `others` of
    further tables; `gone` is asked whether a server that is silent has been stopped.

    Raises PrefectRefused when the run cannot be made, PrefectAway when Prefect stays silent; then the run is named.
    """
    if stale := warning(prefect, environment):
        show("\n".join(f"! {line}" for line in stale.splitlines()))
    run = prefect.run(f"{flow}/{environment}", parameters)
    url = f"{prefect.url.removesuffix('/api')}/runs/flow-run/{run['id']}"
    show(f"{'plan ' if parameters.get('plan_only') else ''}{flow} {environment}  {url}")
    try:
        ended = Watcher(prefect, run["id"], show, url, gone).follow(sleep=sleep)
        left = {name: prefect.artifact(run["id"], f"{name}-{environment}") for name in (artifact, *others) if name}
        tables = {name.removesuffix("-data"): contents(left[name] or {}) for name in others}
        return Ended(ended, url, left.get(artifact or ""), tables)
    except PrefectAway as error:
        raise PrefectAway(
            f"{error}\nThe run {url} may go on unseen, or have ended. What it has done stays, and running it again is"
            " safe: it goes on from there."
        ) from error


def contents(artifact: Mapping[str, Any]) -> Any:
    """The rows of a table, or markdown; None of nothing. A table of one cell named `json` is that document."""
    data = artifact.get("data")
    rows = json.loads(data) if artifact.get("type") == "table" and isinstance(data, str) else data
    alone = rows[0] if isinstance(rows, list) and len(rows) == 1 else {}
    return json.loads(alone["json"]) if set(alone) == {"json"} else rows


def without_changes(report: str) -> str:
    """A report for the terminal: without changes and steps, which were shown while they were made, without settings,
    without what a diagnosis has ruled out, and without pictures."""
    shown = re.split(r"^## (?:Changes|Settings|Ruled out)", report, maxsplit=1, flags=re.MULTILINE)[0]
    lines = (line for line in shown.splitlines() if not line.startswith("![") or "](data:" not in line)
    return "\n".join(line for line in lines if line.strip("|- "))
