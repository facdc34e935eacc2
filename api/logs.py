"""Log lines as JSON objects, one for each line, as CloudWatch's queries want them: ours on stdout, those of the server
under us (uvicorn) where it writes them.

`LOG_LEVEL` is for this backend alone. Libraries stay at WARNING: at DEBUG botocore would log the secrets that it reads.
"""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

request_id: ContextVar[str] = ContextVar("request_id", default="-")
"""Of the request that is being answered; also in its threads."""


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "request_id": request_id.get(),
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


SERVERS = ("uvicorn", "uvicorn.access")
"""Loggers with handlers of their own. What is written, and where to, is said to the server itself."""


def log_json(level: str) -> None:
    """Replace the handlers of whoever started this process: on Lambda the runtime client has put in its own."""
    out = logging.StreamHandler(sys.stdout)
    root = logging.getLogger()
    root.handlers[:] = [out]
    root.setLevel(logging.WARNING)
    for ours in ("api", "database"):
        logging.getLogger(ours).setLevel(level)
    for handler in (out, *(one for name in SERVERS for one in logging.getLogger(name).handlers)):
        handler.setFormatter(JsonLines())
