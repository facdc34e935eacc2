"""A deployer that also makes HTTP APIs and calls them."""

import http.client
import json
from dataclasses import dataclass

from tests.localcloud.lambda_support import Deployer

ACCOUNT, REGION = "211234825975", "us-east-1"
FORMAT = json.dumps(
    {name: f"$context.{name}" for name in ("status", "routeKey", "integrationErrorMessage", "integrationLatency")}
)


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Lab(Deployer):
    """A deployer that also makes APIs and calls them."""

    def api(self, *, function="f:live", routes=("$default",), permit=True, timeout_ms=30000, cors=None, **stage):
        client = self.aws("apigatewayv2")
        api = client.create_api(Name="a", ProtocolType="HTTP", **({"CorsConfiguration": cors} if cors else {}))["ApiId"]
        integration = client.create_integration(
            ApiId=api,
            IntegrationType="AWS_PROXY",
            IntegrationUri=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}",
            PayloadFormatVersion="2.0",
            TimeoutInMillis=timeout_ms,
        )["IntegrationId"]
        for key in routes:
            client.create_route(ApiId=api, RouteKey=key, Target=f"integrations/{integration}")
        client.create_stage(ApiId=api, **{"StageName": "$default", "AutoDeploy": True, **stage})
        if permit:
            self.permit(api, function)
        return api

    def permit(self, api, function="f:live"):
        name, _, qualifier = function.partition(":")
        self.aws("lambda").add_permission(
            FunctionName=name,
            StatementId=f"gateway-{api}",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/*/*",
            **({"Qualifier": qualifier} if qualifier else {}),
        )

    def alias(self, version="1"):
        self.aws("lambda").publish_version(FunctionName="f")
        self.aws("lambda").create_alias(FunctionName="f", Name="live", FunctionVersion=version)

    def call(self, api, path="/", *, method="GET", headers=None, body=None, host=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.cloud.api_port, timeout=30)
        target = path if host else f"/_api/{api}{path}"
        connection.request(method, target, body, {**({"Host": host} if host else {}), **(headers or {})})
        answer = connection.getresponse()
        found = Answer(answer.status, dict(answer.headers), answer.read())
        connection.close()
        return found


ECHO = """
import json, os, time
def handler(event, context):
    query = event.get("queryStringParameters", {})
    time.sleep(float(query.get("sleep", 0)))
    if "exit" in query:
        os._exit(1)
    if "raise" in query:
        raise ValueError("secret detail")
    if "answer" in query:
        return json.loads(query["answer"])
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "cookies": ["a=1", "b=2"],
            "body": json.dumps({"event": event, "pid": os.getpid(), "version": context.function_version})}
"""
