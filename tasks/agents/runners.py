"""Which code does an agent's work: agent id → runner. The registry, with kinds and models, is database/agents.py.

A runner's module imports what is slow (pydantic-ai, 1 s) inside its functions: every flow run's process imports this.
"""

from collections.abc import Mapping

from tasks.agents.commands import run_autofix, run_codegen, run_pr
from tasks.agents.context import Runner
from tasks.agents.coordinator import run_coordinator
from tasks.agents.investigating import run_investigation
from tasks.agents.issues import run_issue
from tasks.agents.model_agents import MODEL_RUNNERS
from tasks.agents.refreshing import run_refresher
from tasks.agents.releasing import run_deployment
from tasks.agents.review import run_review
from tasks.agents.waterspider import run_waterspider

RUNNERS: Mapping[str, Runner] = {
    "coordinator": run_coordinator,
    "codegen": run_codegen,
    "autofix": run_autofix,
    "pr": run_pr,
    "review": run_review,
    "issue": run_issue,
    "investigation": run_investigation,
    "deployment": run_deployment,
    "waterspider": run_waterspider,
    "refresher": run_refresher,
    **MODEL_RUNNERS,
}
