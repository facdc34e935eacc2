"""The event of payload format 1.0, which an integration sends that says so: the shape of REST APIs.

Seldom asked for, so it is put together plainly (`gateway_request` has the quick one of 2.0).
"""

import json
from base64 import b64encode
from typing import Any
from urllib.parse import parse_qsl, unquote

from localcloud.gateway_request import Request, clf_time, is_text


def event_v1(
    request: Request,
    *,
    route_key: str,
    stage: str,
    api_id: str,
    account_id: str,
    region: str,
    request_id: str,
    now: float,
    path_parameters: dict[str, str],
    stage_variables: dict[str, str],
) -> bytes:
    """The event, as JSON. `now` is in seconds since the epoch."""
    domain, path = f"{api_id}.execute-api.{region}.amazonaws.com", unquote(request.path)
    headers = {**request.headers, **({"cookie": "; ".join(request.cookies)} if request.cookies else {})}
    resource = route_key.partition(" ")[2] or route_key
    context = {
        "accountId": account_id,
        "apiId": api_id,
        "domainName": domain,
        "domainPrefix": api_id,
        "extendedRequestId": request_id,
        "httpMethod": request.method,
        "identity": {"sourceIp": request.source_ip, "userAgent": request.headers.get("user-agent", "")},
        "path": path,
        "protocol": request.protocol,
        "requestId": request_id,
        "requestTime": clf_time(int(now)),
        "requestTimeEpoch": int(now * 1000),
        "resourceId": route_key,
        "resourcePath": resource,
        "stage": stage,
    }
    event = {
        "version": "1.0",
        "resource": resource,
        "path": path,
        "httpMethod": request.method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        **query_of(request.query),
        "requestContext": context,
        "pathParameters": path_parameters or None,
        "stageVariables": stage_variables or None,
        **body_of(request),
    }
    return json.dumps(event).encode()


def query_of(query: str) -> dict[str, Any]:
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        values.setdefault(name, []).append(value)
    return {
        "queryStringParameters": {name: found[-1] for name, found in values.items()} or None,
        "multiValueQueryStringParameters": values or None,
    }


def body_of(request: Request) -> dict[str, Any]:
    content_type = request.headers.get("content-type", "")
    if not request.body:
        return {"body": None, "isBase64Encoded": False}
    if not content_type or is_text(content_type):
        try:
            return {"body": request.body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    return {"body": b64encode(request.body).decode(), "isBase64Encoded": True}
