"""Our sync of a folder to a bucket as a program: `python -m tests.bench.site_once ENDPOINT BUCKET FOLDER`.

The engine that `publish_site` uses, without Prefect and the manifests, which `aws s3 sync` does not have either.
"""

import os
import sys
from pathlib import Path

from botocore.credentials import Credentials

from blocks.s3 import Objects
from tasks.sites.files import read_site
from tasks.sites.transfer import differing, upload


def main(endpoint: str, bucket: str, folder: str) -> None:
    keys = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    objects = Objects(bucket, credentials=keys, region="us-east-1", endpoint=endpoint)
    files = read_site(Path(folder))
    upload(objects, differing(files, objects.list(), {}))


if __name__ == "__main__":
    main(*sys.argv[1:])
