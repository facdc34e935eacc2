"""CloudFront: ETags that are checked, origin access controls that are kept, invalidations that take a while."""

import copy
import time
from typing import TYPE_CHECKING, Any

from moto.cloudfront.exceptions import CloudFrontException, InvalidIfMatchVersion, NoSuchDistribution
from moto.cloudfront.models import (
    CloudFrontBackend,
    DefaultCacheBehaviour,
    Distribution,
    Invalidation,
    Origin,
    OriginAccessControl,
    random_id,
)
from moto.cloudfront.responses import CloudFrontResponse
from moto.core.utils import iso_8601_datetime_with_milliseconds, utcnow

from localcloud.aws.patches import Patches

if TYPE_CHECKING:
    from localcloud.cloud import Cloud


def install(cloud: "Cloud") -> None:
    """Close CloudFront's gaps."""
    _install_shape(cloud.patches)
    _install_distributions(cloud.patches)
    _install_access_controls(cloud.patches)
    _install_invalidations(cloud)


def _install_shape(patches: Patches) -> None:
    """What moto reads of a distribution's configuration and forgets."""

    @patches.wrap(Origin, "__init__")
    def origin_init(original: Any, origin: Any, config: dict[str, Any]) -> None:
        original(origin, config)
        origin.origin_access_control_id = config.get("OriginAccessControlId", "")
        if "S3OriginConfig" in config:
            origin.s3_origin_config = config["S3OriginConfig"]

    @patches.wrap(DefaultCacheBehaviour, "__init__")
    def behaviour_init(original: Any, behaviour: Any, config: dict[str, Any]) -> None:
        original(behaviour, config)
        behaviour.function_associations = config.get("FunctionAssociations") or {"Quantity": 0}

    @patches.wrap(Distribution, "__init__")
    def distribution_init(
        original: Any, distribution: Any, account_id: str, region_name: str, config: dict[str, Any]
    ) -> None:
        distribution.wanted = copy.deepcopy(config)
        original(distribution, account_id, region_name, config)
        distribution.last_modified_time = iso_8601_datetime_with_milliseconds(utcnow())


def _install_distributions(patches: Patches) -> None:
    @patches.wrap(CloudFrontBackend, "create_distribution_with_tags")
    def create(original: Any, backend: Any, distribution_config: dict[str, Any], tags: list[dict[str, str]]) -> Any:
        for other in backend.distributions.values():
            if other.wanted == distribution_config:  # with its caller reference: the same request again
                return other, other.location, other.etag
        return original(backend, distribution_config, tags)

    @patches.wrap(CloudFrontBackend, "update_distribution")
    def update(original: Any, backend: Any, dist_config: dict[str, Any], _id: str, if_match: str | None) -> Any:
        if _id not in backend.distributions:
            raise NoSuchDistribution
        distribution = backend.distributions[_id]
        _check_etag(distribution, if_match)
        wanted = copy.deepcopy(dist_config)
        original(backend, dist_config, _id, if_match)
        distribution.wanted, distribution.etag = wanted, random_id()
        distribution.last_modified_time = iso_8601_datetime_with_milliseconds(utcnow())
        distribution.status, distribution._tick = "InProgress", 0  # moto counts the reads until it is deployed
        return distribution, distribution.location, distribution.etag

    @patches.wrap(CloudFrontBackend, "delete_distribution")
    def delete(original: Any, backend: Any, distribution_id: str, if_match: str | None) -> None:
        distribution, _ = backend.get_distribution(distribution_id)
        _check_etag(distribution, if_match)
        if distribution.wanted.get("Enabled"):
            raise CloudFrontException(
                "DistributionNotDisabled", "The distribution you are trying to delete has not been disabled."
            )
        original(backend, distribution_id, if_match)


def _check_etag(resource: Any, if_match: str | None) -> None:
    if not if_match:
        raise InvalidIfMatchVersion
    if if_match != resource.etag:
        raise CloudFrontException(
            "PreconditionFailed",
            "The request failed because it didn't meet the preconditions in one or more request-header fields.",
        )


def _install_access_controls(patches: Patches) -> None:
    @patches.wrap(CloudFrontBackend, "create_origin_access_control")
    def create(original: Any, backend: Any, config: dict[str, str]) -> Any:
        if any(control.name == config.get("Name") for control in backend.origin_access_controls.values()):
            raise CloudFrontException(
                "OriginAccessControlAlreadyExists",
                "An origin access control with the specified parameters already exists.",
            )
        return original(backend, config)

    @patches.wrap(OriginAccessControl, "update")
    def update(original: Any, control: Any, config: dict[str, str]) -> None:
        original(control, config)
        control.etag = random_id()

    @patches.wrap(CloudFrontResponse, "update_origin_access_control")
    def checked_update(original: Any, response: Any) -> Any:
        _check_etag(
            response.backend.get_origin_access_control(response._get_param("Id")), response._get_param("IfMatch")
        )
        return original(response)

    @patches.wrap(CloudFrontResponse, "delete_origin_access_control")
    def checked_delete(original: Any, response: Any) -> Any:
        control = response.backend.get_origin_access_control(response._get_param("Id"))
        _check_etag(control, response._get_param("IfMatch"))
        for distribution in response.backend.distributions.values():
            if control.id in str(distribution.wanted["Origins"]):
                raise CloudFrontException("OriginAccessControlInUse", "The origin access control is in use.")
        return original(response)


def _install_invalidations(cloud: "Cloud") -> None:
    patches = cloud.patches

    @patches.wrap(CloudFrontBackend, "create_invalidation")
    def create(original: Any, backend: Any, dist_id: str, paths: list[str], caller_ref: str) -> Any:
        for other in backend.invalidations.get(dist_id, []):
            if (other.caller_ref, other.paths) == (caller_ref, paths):
                return other
        return original(backend, dist_id, paths, caller_ref)

    @patches.wrap(Invalidation, "__init__")
    def init(original: Any, invalidation: Any, distribution: Any, paths: list[str], caller_ref: str) -> None:
        original(invalidation, distribution, paths, caller_ref)
        invalidation.completes = time.time() + cloud.timings.edge

    def status(invalidation: Any) -> str:
        """In the words that the waiter waits for; moto's COMPLETED is not."""
        return "Completed" if time.time() >= invalidation.completes else "InProgress"

    patches.add(Invalidation, "status")(property(status, lambda invalidation, value: None))
