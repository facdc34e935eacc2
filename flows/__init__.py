"""The flows: in which order things are done. One short flow per file, of the same name.

Importing one sends the log lines of our own packages to the run they happen in, so that a worker anywhere needs no
logging settings. The plain functions below just use `logging`.
"""

import logging

from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.handlers import APILogHandler

OUR_PACKAGES = ("blocks", "database", "flows", "tasks")


def in_a_run(_record: logging.LogRecord) -> bool:
    """Outside of a run there is nowhere to send a line to."""
    return FlowRunContext.get() is not None or TaskRunContext.get() is not None


def forward_logs() -> None:
    """Give our loggers Prefect's handler, once, and let INFO through."""
    for name in OUR_PACKAGES:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        if not any(isinstance(handler, APILogHandler) for handler in logger.handlers):
            handler = APILogHandler()
            handler.addFilter(in_a_run)
            logger.addHandler(handler)


forward_logs()
