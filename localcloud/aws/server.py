"""The HTTP server of the AWS endpoint: waitress in front of a WSGI application, on loopback.

moto's own server makes a thread a connection and lists moto's folder on every request; this one keeps connections,
keeps bodies of up to 128 MB in memory and remembers which backend a host name belongs to (2.2 times the requests a
second: reference/performance.md §0.3).
"""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import waitress
from moto.core.routing import get_service_router
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from waitress import wasyncore

THREADS = 32
"""A function that is invoked directly holds one while it runs, and its own calls to AWS need others."""
MAX_BODY = 128 * 1024 * 1024
RECEIVE = 256 * 1024


WARMED = {
    "sts": "sts", "rds": "rds", "ec2": "ec2", "iam": "iam", "secretsmanager": "secretsmanager", "logs": "logs",
    "lambda": "lambda", "apigatewayv2": "apigateway", "s3": "s3", "cloudfront": "cloudfront",
    "sns": "sns", "cloudwatch": "monitoring",
}  # fmt: skip
"""The services of a release, in its order, and the names that they sign with."""


class Dispatcher(DomainDispatcherApplication):
    """moto's dispatcher, remembering its answers: the host decides the backend, always the same way."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self._backends: dict[str | None, Any] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        if host not in self._backends:
            self._backends[host] = super().get_backend_for_host(host)
        return self._backends[host]

    def warm_up(self) -> Callable[[], None]:
        """Load the services of a release in the background: each is 0.05 to 0.9 s that its first call would wait.

        Answers a function that ends it, after the service that is being loaded.
        """
        enough = threading.Event()
        thread = threading.Thread(target=self._load, args=(enough,), name="aws-warm-up", daemon=True)
        thread.start()

        def end() -> None:
            enough.set()
            thread.join()

        return end

    def _load(self, enough: threading.Event) -> None:
        for service, signing_name in WARMED.items():
            if not enough.is_set():
                get_service_router(service)
                scope = f"AWS4-HMAC-SHA256 Credential=x/20200101/us-east-1/{signing_name}/aws4_request"
                self.get_application({"HTTP_AUTHORIZATION": scope, "HTTP_HOST": "127.0.0.1", "PATH_INFO": "/"})


class Server:
    """A WSGI application on 127.0.0.1. `port` 0 takes a free one; `port` says which."""

    def __init__(self, application: Any, *, port: int = 0, threads: int = THREADS) -> None:
        self._sockets: dict[int, Any] = {}
        self._server = waitress.create_server(
            application,
            map=self._sockets,
            host="127.0.0.1",
            port=port,
            threads=threads,
            recv_bytes=RECEIVE,
            inbuf_overflow=MAX_BODY,
            max_request_body_size=MAX_BODY,
            channel_timeout=600,
            ident="localcloud",
            clear_untrusted_proxy_headers=False,
        )
        self.port = int(self._server.effective_port)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="aws-endpoint", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Close every connection; returns when the threads have ended (5 seconds at most)."""
        self._stopping = True
        with contextlib.suppress(OSError):  # the loop was between two turns, has ended, and has closed its trigger
            self._server.pull_trigger()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stopping:
            wasyncore.loop(timeout=1.0, use_poll=True, map=self._sockets, count=1)
        self._server.task_dispatcher.shutdown(timeout=5)
        wasyncore.close_all(self._sockets, ignore_all=True)
