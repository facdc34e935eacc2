"""Lambda's control plane: states that take their time, revisions, and code that can be downloaded again.

A function is Pending for a moment after its creation and has its update InProgress for a moment after each change;
both are computed from the clock when they are asked for. Running functions is `localcloud.lambda_runtime`'s work.
"""

import hmac
import json
import secrets
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.awslambda.responses import LambdaResponse

from localcloud.aws import function_policies, function_provisioning, function_versions
from localcloud.aws import function_rules as rules
from localcloud.aws.patches import Patches
from localcloud.aws.state import Blob
from localcloud.aws.wire import Answer, json_answer
from localcloud.lambda_states import impairment_of

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

_TOKEN_KEY = secrets.token_bytes(32)


def install(cloud: "Cloud") -> None:
    """Close Lambda's gaps."""
    patches = cloud.patches
    _install_state(patches, lasting=cloud.timings.function)
    _install_code(patches, cloud)
    _install_create(patches)
    _install_update(patches)
    _install_concurrency(patches)
    function_versions.install(patches)
    function_policies.install(patches)
    function_provisioning.install(cloud)


def touch(function: Any) -> None:
    """A change was made: a new revision, and the time of it."""
    function.revision_id = str(uuid.uuid4())
    function.last_modified = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


def _install_state(patches: Patches, *, lasting: float) -> None:
    @patches.wrap(LambdaFunction, "__init__")
    def init(original: Any, function: Any, account_id: str, spec: Any, region: str, version: Any = 1) -> None:
        original(function, account_id, spec, region, version)
        function.logging_config = _logging(spec.get("LoggingConfig"), function)
        function.pending_until, function.updating_until = time.time() + lasting, 0.0
        touch(function)

    def state(function: Any) -> str:
        if impairment := impairment_of(function):
            return impairment.state
        return "Pending" if time.time() < vars(function).get("pending_until", 0) else "Active"

    patches.add(LambdaFunction, "state")(property(state, lambda function, value: None))
    patches.add(LambdaFunction, "is_updating")(property(lambda function: time.time() < function.updating_until))

    @patches.add(LambdaFunction, "changed")
    def changed(function: Any) -> None:
        touch(function)
        function.updating_until = time.time() + lasting

    _install_shape(patches)
    _install_arn(patches)


def _install_shape(patches: Patches) -> None:
    @patches.wrap(LambdaFunction, "get_configuration")
    def configuration(original: Any, function: Any, on_create: bool = False) -> dict[str, Any]:
        shown: dict[str, Any] = original(function, on_create)
        shown["RevisionId"], shown["LoggingConfig"] = function.revision_id, function.logging_config
        if function.state == "Pending":
            shown |= {"StateReason": "The function is being created.", "StateReasonCode": "Creating"}
        if impairment := impairment_of(function):
            shown |= {"StateReason": impairment.reason, "StateReasonCode": impairment.code}
        if function.is_updating:
            shown |= {
                "LastUpdateStatus": "InProgress",
                "LastUpdateStatusReason": "The function is being created.",
                "LastUpdateStatusReasonCode": "Creating",
            }
        return {key: value for key, value in shown.items() if value is not None}


def _install_arn(patches: Patches) -> None:
    @patches.wrap(LambdaResponse, "_set_configuration_qualifier")
    def named(original: Any, response: Any, shown: dict[str, Any], name: str, qualifier: str | None) -> dict[str, Any]:
        """The ARN ends in the qualifier that was asked for: an alias is not shown by its version's."""
        shown = original(shown, name, qualifier)
        if qualifier:
            shown["FunctionArn"] = ":".join([*shown["FunctionArn"].split(":")[:7], qualifier])
        return shown


def _logging(wanted: dict[str, Any] | None, function: Any) -> dict[str, Any]:
    return {"LogFormat": "Text", "LogGroup": function.logs_group_name, **(wanted or {})}


def _install_code(patches: Patches, cloud: "Cloud") -> None:
    @patches.wrap(LambdaFunction, "_set_function_code")
    def set_code(original: Any, function: Any, spec: dict[str, Any]) -> None:
        original(function, spec)
        if "code_bytes" in vars(function):
            rules.check_zip(function.code_bytes)
            function.code_bytes = Blob(function.code_bytes)
        function.code.pop("ZipFile", None)  # moto keeps the base64 as well

    @patches.wrap(LambdaFunction, "get_code")
    def get_code(original: Any, function: Any) -> dict[str, Any]:
        shown: dict[str, Any] = original(function)
        if "code_digest" in vars(function):
            digest = function.code_digest
            location = f"{cloud.aws_endpoint}/_code/{digest}?token={_token(digest)}"
            shown["Code"] = {"RepositoryType": "S3", "Location": location}
        if function.reserved_concurrency is not None:
            shown["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved_concurrency}
        return shown

    def vpc_config(function: Any) -> dict[str, Any] | None:
        config = dict(function._vpc_config or {})
        if not config.get("SubnetIds"):
            return None
        subnet = cloud.backend("ec2").get_subnet(config["SubnetIds"][0])
        return {"SecurityGroupIds": [], **config, "VpcId": subnet.vpc_id}

    patches.replace(LambdaFunction, "vpc_config", property(vpc_config))


def download(cloud: "Cloud", digest: str, query: str) -> Answer:
    """The zip of a `Code.Location`."""
    if not hmac.compare_digest(query.encode(), f"token={_token(digest)}".encode()):
        return json_answer({"error": "this location is not one that GetFunction gave"}, status=403)
    for function in function_versions.all_versions(cloud.backend("lambda")):
        if vars(function).get("code_digest") == digest:
            return Answer(200, bytes(function.code_bytes), (("Content-Type", "application/zip"),))
    return json_answer({"error": "no version of any function has this code any more"}, status=404)


def _token(digest: str) -> str:
    return hmac.new(_TOKEN_KEY, digest.encode(), "sha256").hexdigest()


def _install_create(patches: Patches) -> None:
    @patches.wrap(LambdaBackend, "create_function")
    def create(original: Any, backend: Any, spec: dict[str, Any]) -> Any:
        if len(spec.get("Code", {}).get("ZipFile", "")) > rules.REQUEST_LIMIT:
            raise rules.TooLarge("CreateFunction")
        rules.check_create(backend, spec)
        return original(backend, spec)


def _install_update(patches: Patches) -> None:
    @patches.wrap(LambdaBackend, "update_function_code")
    def code(original: Any, backend: Any, name: str, qualifier: str | None, body: dict[str, Any]) -> dict[str, Any]:
        function = backend.get_function(name, qualifier)
        if len(body.get("ZipFile", "")) > rules.REQUEST_LIMIT:
            raise rules.TooLarge("UpdateFunctionCode")
        rules.check_settled(function)
        rules.check_revision(function, body.get("RevisionId"))
        if body.get("DryRun"):
            return _shown(function)
        if architectures := body.get("Architectures"):
            function.architectures = architectures
        function._set_function_code(body)
        function.changed()
        if body.get("Publish"):
            return _shown(backend.publish_version(name))
        return _shown(function)

    _install_update_configuration(patches)


def _install_update_configuration(patches: Patches) -> None:
    @patches.wrap(LambdaBackend, "update_function_configuration")
    def configuration(
        original: Any, backend: Any, name: str, qualifier: str | None, body: dict[str, Any]
    ) -> dict[str, Any]:
        function = backend.get_function(name, qualifier)
        rules.check_settled(function)
        rules.check_revision(function, body.get("RevisionId"))
        rules.check_configuration(backend, body)
        if "Environment" in body:
            body["Environment"].setdefault("Variables", {})
        function.update_configuration(body)
        _update_the_rest(function, body)
        function.changed()
        return _shown(function)


def _shown(function: Any) -> dict[str, Any]:
    shown: dict[str, Any] = function.get_configuration()
    return shown


def _update_the_rest(function: Any, body: dict[str, Any]) -> None:
    """The settings that moto's update leaves out."""
    if "LoggingConfig" in body:
        function.logging_config = _logging(body["LoggingConfig"], function)
    if "TracingConfig" in body:
        function.tracing_config = body["TracingConfig"]
    if "EphemeralStorage" in body:
        function.ephemeral_storage = body["EphemeralStorage"]["Size"]
    if "KMSKeyArn" in body:
        function.kms_key_arn = body["KMSKeyArn"] or None


def _install_concurrency(patches: Patches) -> None:
    @patches.wrap(LambdaBackend, "put_function_concurrency")
    def put(original: Any, backend: Any, name: str, reserved: int) -> Any:
        rules.check_reserved(backend, name, int(reserved))
        return original(backend, name, reserved)

    @patches.wrap(LambdaResponse, "get_function_concurrency")
    def get(original: Any, response: Any) -> Any:
        status, headers, body = original(response)
        reserved = json.loads(body)["ReservedConcurrentExecutions"]
        return status, headers, body if reserved is not None else "{}"
