"""API Gateway v2: quick-create, stages and deployments, and what it refuses."""

import pytest
from botocore.exceptions import ClientError

FUNCTION = "arn:aws:lambda:us-east-1:211234825975:function:miyabi-api-test:live"


@pytest.fixture
def gateway(aws):
    return aws("apigatewayv2")


@pytest.fixture
def api(gateway):
    return gateway.create_api(Name="miyabi-api-test", ProtocolType="HTTP")["ApiId"]


def integrate(gateway, api, **changes):
    arguments = {
        "IntegrationType": "AWS_PROXY", "IntegrationUri": FUNCTION, "PayloadFormatVersion": "2.0", **changes,
    }  # fmt: skip
    return gateway.create_integration(
        ApiId=api, **{key: value for key, value in arguments.items() if value is not None}
    )


def refusal(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


def test_quick_create_makes_the_children(gateway):
    api = gateway.create_api(Name="quick", ProtocolType="HTTP", Target=FUNCTION)["ApiId"]
    (integration,) = gateway.get_integrations(ApiId=api)["Items"]
    (route,) = gateway.get_routes(ApiId=api)["Items"]
    (stage,) = gateway.get_stages(ApiId=api)["Items"]
    assert (integration["IntegrationUri"], integration["PayloadFormatVersion"]) == (FUNCTION, "2.0")
    assert (route["RouteKey"], route["Target"]) == ("$default", f"integrations/{integration['IntegrationId']}")
    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    assert [thing["ApiGatewayManaged"] for thing in (integration, route, stage)] == [True, True, True]


def test_a_plain_api_has_no_children(gateway, api):
    for call in (gateway.get_integrations, gateway.get_routes, gateway.get_stages):
        assert call(ApiId=api)["Items"] == []


def test_the_endpoint_is_where_the_api_answers(cloud, gateway, api):
    assert gateway.get_api(ApiId=api)["ApiEndpoint"] == f"{cloud.api_endpoint}/_api/{api}"


def test_a_stage_is_updated_and_not_overwritten(gateway, api):
    gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True, Tags={"a": "b"})
    assert refusal(gateway.create_stage, ApiId=api, StageName="$default") == "ConflictException"
    logs = {"DestinationArn": "arn:aws:logs:us-east-1:211234825975:log-group:/aws/apigateway/x", "Format": "$context.x"}
    throttle = {"ThrottlingBurstLimit": 10, "ThrottlingRateLimit": 5.0}
    gateway.update_stage(ApiId=api, StageName="$default", AccessLogSettings=logs)
    gateway.update_stage(ApiId=api, StageName="$default", DefaultRouteSettings=throttle)
    stage = gateway.get_stage(ApiId=api, StageName="$default")
    assert stage["AccessLogSettings"] == logs
    assert stage["DefaultRouteSettings"] == throttle
    assert (stage["AutoDeploy"], stage["Tags"]) == (True, {"a": "b"})
    assert stage["DeploymentId"]
    assert refusal(gateway.update_stage, ApiId=api, StageName="absent") == "NotFoundException"


def test_deployments_are_kept_and_given_to_a_stage(gateway, api):
    gateway.create_stage(ApiId=api, StageName="dev")
    assert "DeploymentId" not in gateway.get_stage(ApiId=api, StageName="dev")
    made = gateway.create_deployment(ApiId=api, StageName="dev", Description="first")
    assert made["DeploymentStatus"] == "DEPLOYED"
    assert gateway.get_stage(ApiId=api, StageName="dev")["DeploymentId"] == made["DeploymentId"]
    assert gateway.get_deployment(ApiId=api, DeploymentId=made["DeploymentId"])["Description"] == "first"
    assert len(gateway.get_deployments(ApiId=api)["Items"]) == 1
    assert refusal(gateway.get_deployment, ApiId=api, DeploymentId="absent") == "NotFoundException"


@pytest.mark.parametrize(
    "changes",
    [
        {"PayloadFormatVersion": "9.9"},
        {"PayloadFormatVersion": None},
        {"TimeoutInMillis": 30001},
        {"IntegrationType": "MOCK"},
    ],
)
def test_what_an_integration_cannot_be(gateway, api, changes):
    assert refusal(integrate, gateway=gateway, api=api, **changes) == "BadRequestException"


def test_an_integration_is_updated_and_held_by_its_route(gateway, api):
    made = integrate(gateway, api, TimeoutInMillis=29000)["IntegrationId"]
    assert refusal(gateway.update_integration, ApiId=api, IntegrationId=made, TimeoutInMillis=90000) == (
        "BadRequestException"
    )
    gateway.update_integration(ApiId=api, IntegrationId=made, TimeoutInMillis=30000)
    assert gateway.get_integration(ApiId=api, IntegrationId=made)["TimeoutInMillis"] == 30000
    route = gateway.create_route(ApiId=api, RouteKey="$default", Target=f"integrations/{made}")["RouteId"]
    assert refusal(gateway.delete_integration, ApiId=api, IntegrationId=made) == "ConflictException"
    gateway.delete_route(ApiId=api, RouteId=route)
    gateway.delete_integration(ApiId=api, IntegrationId=made)
    assert refusal(gateway.delete_integration, ApiId=api, IntegrationId=made) == "NotFoundException"


def test_a_route_key_is_well_formed_and_unique(gateway, api):
    target = f"integrations/{integrate(gateway, api)['IntegrationId']}"
    for key in ("nonsense", "FETCH /x", "GET x"):
        assert refusal(gateway.create_route, ApiId=api, RouteKey=key, Target=target) == "BadRequestException"
    assert refusal(gateway.create_route, ApiId=api, RouteKey="GET /x", Target="integrations/absent") == (
        "BadRequestException"
    )
    first = gateway.create_route(ApiId=api, RouteKey="ANY /x/{proxy+}", Target=target)["RouteId"]
    assert refusal(gateway.create_route, ApiId=api, RouteKey="ANY /x/{proxy+}") == "ConflictException"
    second = gateway.create_route(ApiId=api, RouteKey="$default", Target=target)["RouteId"]
    assert refusal(gateway.update_route, ApiId=api, RouteId=second, RouteKey="ANY /x/{proxy+}") == "ConflictException"
    gateway.update_route(ApiId=api, RouteId=first, RouteKey="ANY /x/{proxy+}", Target=target)


def test_what_is_not_there_cannot_be_deleted(gateway, api):
    assert refusal(gateway.delete_stage, ApiId=api, StageName="absent") == "NotFoundException"
    assert refusal(gateway.delete_route, ApiId=api, RouteId="absent") == "NotFoundException"
    gateway.delete_api(ApiId=api)
    assert refusal(gateway.delete_api, ApiId=api) == "NotFoundException"
