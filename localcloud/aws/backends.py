"""Finding moto's backends: the objects that hold the state of a service in one account and region."""

import importlib
from typing import Any, cast

import moto.backends
from moto.core.base_backend import BackendDict, BaseBackend


def backends_of(service: str) -> Any:
    """All backends of a service by account and region, by boto3's name for it; `LookupError` if moto has none."""
    try:
        return cast(Any, moto.backends.get_backend)(service)
    except (ImportError, AttributeError):
        raise LookupError(f"moto has no service {service!r}") from None


def reference_of(backend: BaseBackend) -> tuple[str, str, str, str]:
    """What `find` needs to find this backend again: module, class, account and region."""
    return type(backend).__module__, type(backend).__name__, backend.account_id, backend.region_name


def find(module: str, name: str, account_id: str, region: str) -> Any:
    """The backend that `reference_of` described, in this process."""
    for value in vars(importlib.import_module(module)).values():
        if isinstance(value, BackendDict) and value.backend.__name__ == name:
            return value[account_id][region]
    raise LookupError(f"moto has no backend {name!r} in {module}")
