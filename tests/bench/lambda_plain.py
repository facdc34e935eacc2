"""The peer: a plain Lambda emulator on Starlette and uvicorn, as one would write it in an hour.

`python -m tests.bench.lambda_plain PORT` takes HTTP requests, makes payload 2.0 events of them, hands them to whoever
asks `/2018-06-01/runtime/invocation/next`, and maps the answers back. It writes no logs, asks no permission, limits
nothing and starts no process: that is less work than ours does.
"""

import asyncio
import json
import sys
import time
import uuid

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

events: "asyncio.Queue[tuple[str, bytes]]" = asyncio.Queue()
waiting: "dict[str, asyncio.Future[bytes]]" = {}


async def invoke(request: Request) -> Response:
    request_id = str(uuid.uuid4())
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    waiting[request_id] = future
    await events.put((request_id, json.dumps(payload(request, request_id, await request.body())).encode()))
    answer = json.loads(await asyncio.wait_for(future, 30))
    return Response(answer.get("body", ""), answer["statusCode"], answer.get("headers"))


def payload(request: Request, request_id: str, body: bytes) -> dict[str, object]:
    """The event of payload format 2.0."""
    path, now = request.url.path, time.time()
    http = {
        "method": request.method,
        "path": path,
        "protocol": "HTTP/1.1",
        "sourceIp": request.client.host if request.client else "",
        "userAgent": request.headers.get("user-agent", ""),
    }
    context = {
        "accountId": "1",
        "apiId": "a",
        "domainName": "a",
        "domainPrefix": "a",
        "http": http,
        "requestId": request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "timeEpoch": int(now * 1000),
    }
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.url.query,
        "headers": dict(request.headers),
        "requestContext": context,
        "body": body.decode(),
        "isBase64Encoded": False,
    }


async def next_event(request: Request) -> Response:
    request_id, event = await events.get()
    headers = {
        "Lambda-Runtime-Aws-Request-Id": request_id,
        "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 30000),
        "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:1:function:f",
        "Lambda-Runtime-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793",
    }
    return Response(event, 200, headers, "application/json")


async def outcome(request: Request) -> Response:
    waiting.pop(request.path_params["request_id"]).set_result(await request.body())
    return Response(b"{}", 202, media_type="application/json")


RUNTIME = "/2018-06-01/runtime/invocation"
app = Starlette(
    routes=[
        Route(f"{RUNTIME}/next", next_event),
        Route(f"{RUNTIME}/{{request_id}}/response", outcome, methods=["POST"]),
        Route("/{path:path}", invoke, methods=["GET", "POST"]),
    ]
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False,
                log_level="warning")  # fmt: skip
