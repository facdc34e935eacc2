"""The process of a flow run: `python -m localcloud.engine`, the command of the work pool `local`.

Prefect's own engine with swifter imports. That the pool names a command at all saves more: without one, Prefect
starts a second interpreter before it, only to prepare a workspace that a local run does not need.
"""

import os
import runpy
import sys
import warnings
from types import ModuleType

from localcloud.imports import large_imports
from localcloud.prefect_settings import FLOW_RUN

if __name__ == "__main__":
    os.environ.update(FLOW_RUN)
    sys.modules["prefect_redis"] = ModuleType("prefect_redis")  # for servers; Prefect loads what is installed, 0.3 s
    with large_imports():
        import prefect_aws  # noqa: F401
    warnings.filterwarnings("ignore", "'prefect.engine' found in sys.modules", RuntimeWarning)  # prefect_aws imports it
    runpy.run_module("prefect.engine", run_name="__main__", alter_sys=True)
