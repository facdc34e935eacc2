"""verify-full, for real: the function and the worker both check the certificate of the PostgreSQL behind RDS."""

from pathlib import Path

import pytest

from localcloud.certificates import write_self_signed
from localcloud.cloud import Cloud
from localcloud.postgres import Postgres, certificate_of
from tests.release.scene import GOOD, NOTHING, Scene, another_backend
from tests.release.zygote import Zygote

VERIFYING = """
import socket, ssl, struct
import boto3

plain = handler


def handler(event, context):
    secret = boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["DATABASE_SECRET_ARN"])
    login = json.loads(secret["SecretString"])
    with socket.create_connection((login["host"], login["port"]), 3) as connection:
        connection.sendall(struct.pack("!II", 8, 80877103))  # PostgreSQL's request for TLS
        connection.recv(1)
        trusting = ssl.create_default_context(cafile=login["sslrootcert"])
        trusting.wrap_socket(connection, server_hostname=login["host"]).close()
    return plain(event, context)
"""
"""A backend that is well only if the certificate bears the signature and the name that it should."""


@pytest.fixture
def scene(cloud: Cloud, zygote: Zygote, postgres: Postgres) -> Scene:
    if not postgres.tls:
        pytest.skip("this PostgreSQL has no TLS")
    cloud.reset()
    return Scene(cloud, zygote)


def test_without_the_authorities_nothing_is_written(scene: Scene, tmp_path: Path) -> None:
    for flow, parameters in (("release", {"source": GOOD}), ("provision", {})):
        for bundle, words in (
            ("", "database.ca_bundle"),
            (str(tmp_path / "none.pem"), "cannot be read on this worker"),
        ):
            with scene.configured(database={"sslmode": "verify-full", "ca_bundle": bundle}):
                ended = scene.run(flow, **parameters)
            assert ended.code == 1
            assert words in ended.error
            assert scene.writes == []


def test_function_and_worker_verify_the_certificate(scene: Scene, tmp_path: Path) -> None:
    assert scene.cloud.postgres
    own = certificate_of(scene.cloud.postgres.home)  # type: ignore[attr-defined]
    source = another_backend(tmp_path, name="verifying", handler=VERIFYING)
    with scene.configured(database={"sslmode": "verify-full", "ca_bundle": str(own)}):
        ended = scene.run(source=source)
        assert ended.code == 0, ended.error
        assert scene.health().status_code == 200
        assert scene.plan(source=source) == NOTHING
    write_self_signed(tmp_path / "other.pem", tmp_path / "other.key")
    with scene.configured(database={"sslmode": "verify-full", "ca_bundle": str(tmp_path / "other.pem")}):
        ended = scene.run(source=source)
    assert ended.code == 1
    assert "certificate verify failed" in ended.error
    assert scene.live() == "1"
