"""Secrets of AWS Secrets Manager, read once and kept for five minutes.

botocore is part of Lambda's Python and is imported when the first secret is read: under uvicorn with plain variables
it is never loaded. boto3 itself would add nothing but start-up time.
"""

import functools
import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Any

from api.errors import Misconfigured

logger = logging.getLogger(__name__)


@functools.cache
def client(region: str) -> Any:
    from botocore.config import Config
    from botocore.session import get_session

    limits = Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})
    return get_session().create_client("secretsmanager", region_name=region, config=limits)


def read_secret(arn: str) -> str:
    """The secret's text. Raises botocore's errors."""
    return str(client(arn.split(":")[3]).get_secret_value(SecretId=arn)["SecretString"])


class SecretStore:
    """`keep_s`: how long a value is trusted. `rest_s`: how often it may be asked for again at most, in seconds."""

    def __init__(
        self,
        read: Callable[[str], str] = read_secret,
        *,
        keep_s: float = 300.0,
        rest_s: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._read, self._keep_s, self._rest_s, self._clock = read, keep_s, rest_s, clock
        self._known: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def get(self, arn: str, *, fresh: bool = False) -> str:
        """The secret, at most `keep_s` old, or `rest_s` if a fresh one is wanted. Raises `Misconfigured`."""
        with self._lock:
            value, since = self._known.get(arn, ("", -math.inf))
            if self._clock() - since < (self._rest_s if fresh else self._keep_s):
                return value
            try:
                value = self._read(arn)
            except Exception as error:
                # whatever the cause, a value that worked is better than none
                logger.error("secret %s cannot be read: %s: %s", arn, type(error).__name__, error)
                if arn not in self._known:
                    raise Misconfigured(f"secret {arn!r} cannot be read") from error
            self._known[arn] = (value, self._clock())
            return value
