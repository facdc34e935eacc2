"""pip, judging environment markers by the machine that the packages are for.

`python pip_for_target.py '{"python_version": "3.12", …}' install …`, run as a program of its own. pip's --platform and
--python-version choose wheels only: `foo; python_version >= "3.12"` is still judged by the interpreter that runs pip
(pypa/pip issue 11664), so a dependency can be silently left out. pex mends it in the same way.
"""

import json
import sys

from pip._internal.cli.main import main
from pip._vendor.packaging import markers


def run(overrides: dict[str, str], arguments: list[str]) -> int:
    """Run pip with these marker values in place of the machine's own."""
    environment = {**markers.default_environment(), **overrides}
    markers.default_environment = lambda: environment  # type: ignore[assignment,return-value]
    return main(arguments)


if __name__ == "__main__":
    sys.exit(run(json.loads(sys.argv[1]), sys.argv[2:]))
