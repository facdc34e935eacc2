"""Importing moto in two thirds of the time.

moto's EC2 lists the regions of three partitions with a session of boto3 each while it is imported, and the first
backend makes a fourth. Each reads botocore's table of endpoints again, 0.2 s a time; one session is enough.
"""

import contextlib
from collections.abc import Iterator

import boto3
from moto.core import base_backend

from localcloud.aws.patches import Patches


@contextlib.contextmanager
def one_session() -> Iterator[None]:
    """Let `boto3.Session()` answer one shared session."""
    shared, patches = boto3.Session(), Patches()
    for owner in (boto3, base_backend):
        patches.replace(owner, "Session", lambda: shared)
    base_backend.AccountSpecificBackend.get_session()  # which moto keeps
    try:
        yield
    finally:
        patches.undo()
