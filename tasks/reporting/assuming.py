"""What a report assumes: the environment's figures, with those in their place that a person gives."""

from collections.abc import Mapping

from pydantic import ValidationError

from blocks.environment import Environment
from blocks.reporting import Assumptions
from tasks.errors import Rejected


def assumptions_of(environment: Environment, given: Mapping[str, float]) -> Assumptions:
    """Raises Rejected with every figure that cannot be used."""
    try:
        return Assumptions.model_validate({**environment.report.assumptions.model_dump(), **given})
    except ValidationError as error:
        known = ", ".join(Assumptions.model_fields)
        problems = [
            f"there is no {'.'.join(map(str, one['loc']))!r}; there are {known}"
            if one["type"] == "extra_forbidden"
            else f"{'.'.join(map(str, one['loc']))}: {one['msg']}, not {one['input']!r}"
            for one in error.errors()
        ]
        raise Rejected("assume", problems) from error
