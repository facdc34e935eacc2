"""Our sync of a folder to a bucket as a program: `python -m tests.bench.site_once ENDPOINT BUCKET FOLDER`.

The engine that `publish_site` uses, without Prefect and the manifests, which `aws s3 sync` does not have either.
"""

import os
import sys
from pathlib import Path
from typing import NamedTuple

from blocks.s3 import Objects
from tasks.sites.files import read_site
from tasks.sites.transfer import differing, upload


class Keys(NamedTuple):
    """What the signer reads of botocore's credentials, whose module alone takes as long to import as the sync."""

    access_key: str
    secret_key: str
    token: str | None


def main(endpoint: str, bucket: str, folder: str) -> None:
    keys = Keys(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], None)
    objects = Objects(bucket, credentials=keys, region="us-east-1", endpoint=endpoint)
    files = read_site(Path(folder))
    upload(objects, differing(files, objects.list(), {}))


if __name__ == "__main__":
    main(*sys.argv[1:])
