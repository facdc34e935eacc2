"""A supervisor of `miyabi up --ha`'s services, for tests: `python -m tests.flows.scaled_stack prefect|all --home H`.

`prefect` leaves out what flow runs need not: AWS and agents. `all` has everything, with the agents of
tests/agent_process.py, whose effects can be counted.
"""

import argparse
import dataclasses
import logging
from pathlib import Path

from localcloud import scale_out
from localcloud.services import python
from localcloud.supervisor import Service, supervise

ROOT = Path(__file__).parents[2]
PREFECT = {"postgres", "redis", "prefect", "prefect-1", "prefect-2", "prefect-services", "worker-1", "worker-2"}
ROLES = {"agents": "work", "dispatcher": "dispatch"}


def prefect(home: Path, ports: dict[str, int]) -> list[Service]:
    return [service for service in scale_out.services(home, ports) if service.name in PREFECT]


def everything(home: Path, ports: dict[str, int]) -> list[Service]:
    return [with_effects(service) for service in scale_out.services(home, ports)]


def with_effects(service: Service) -> Service:
    if (roles := ROLES.get(service.name.split("-")[0])) is None:
        return service
    environment = {**service.environment, "PYTHONPATH": str(ROOT), "MIYABI_AGENT_LEASE_S": "5"}
    return dataclasses.replace(
        service, command=lambda: python("tests.agent_process", "--roles", roles), environment=environment
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("which", choices=["prefect", "all"])
    parser.add_argument("--home", type=Path, required=True)
    given = parser.parse_args()
    home, chosen = given.home.resolve(), prefect if given.which == "prefect" else everything
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    supervise(home, scale_out.PREFERRED_PORTS, lambda ports: chosen(home, ports))


if __name__ == "__main__":
    main()
