"""Is a service well? Short questions over loopback, standard library only, since `miyabi status` asks them too."""

import base64
import json
from http.client import HTTPConnection, HTTPException
from typing import Any

PATIENCE_S = 2.0


def answers(port: int, path: str) -> bool:
    """True if an HTTP GET of this path on 127.0.0.1 gives 200."""
    return ask(port, "GET", path) is not None


def ask(port: int, method: str, path: str, body: Any = None, *, auth: str = "") -> Any:
    """The JSON (or text) of a 200 answer, else None. `auth` is `user:password`."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        content = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"} if content else {}
        if auth:
            headers["Authorization"] = "Basic " + base64.b64encode(auth.encode()).decode()
        connection.request(method, path, content, headers)
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()
    if answer.status != 200:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text.decode(errors="replace")
