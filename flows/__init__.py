"""The flows: in which order things are done. One short flow per file, of the same name.

Importing one sends the log lines of our own packages to the run they happen in, so that a worker anywhere needs no
logging settings. The plain functions below just use `logging`.
"""

import logging

OUR_PACKAGES = ("blocks", "database", "flows", "tasks")


def forward_logs() -> None:
    """Give our loggers Prefect's handler for extra loggers, and let INFO through."""
    for name in OUR_PACKAGES:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        for handler in logging.getLogger("prefect.extra").handlers:
            if handler not in logger.handlers:
                logger.addHandler(handler)


forward_logs()
