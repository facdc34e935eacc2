"""SNS: topics and subscriptions that do here what they say.

An e-mail address is noted as awaiting confirmation, which on AWS its owner gives by a link in a mail; nobody is sent
anything from here. An endpoint on loopback is asked to confirm as AWS asks, by a `SubscriptionConfirmation`, and after
`ConfirmSubscription` gets every message. Other kinds of subscriber are gaps.
"""

import json
import logging
import secrets
import threading
import urllib.request
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlparse

from moto.core.responses import ActionResult
from moto.sns.exceptions import InvalidParameterValue, SNSInvalidParameter
from moto.sns.models import SNSBackend, Subscription, Topic
from moto.sns.responses import SNSResponse

from localcloud.aws.patches import Patches

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

logger = logging.getLogger(__name__)

PENDING = "PendingConfirmation"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
KEPT = 100
"""Messages that a topic remembers."""
PATIENCE = 5.0


def install(cloud: "Cloud") -> None:
    """Close SNS's gaps."""
    _install_subscribe(cloud.patches)
    _install_confirm(cloud.patches)
    _install_delivery(cloud.patches)


def _install_subscribe(patches: Patches) -> None:
    @patches.wrap(SNSBackend, "subscribe")
    def subscribe(original: Any, backend: Any, topic_arn: str, endpoint: str, protocol: str) -> Any:
        check_endpoint(endpoint, protocol)
        known = backend._find_subscription(topic_arn, endpoint, protocol)
        if known is not None:
            return known
        subscription = original(backend, topic_arn, endpoint, protocol)
        subscription.token = secrets.token_hex(32)
        subscription.attributes |= {PENDING: True, "ConfirmationWasAuthenticated": False}
        if protocol.startswith("http"):
            _ask(subscription)
        return subscription

    @patches.wrap(SNSResponse, "subscribe")
    def answer(original: Any, response: Any) -> ActionResult:
        """The ARN is a secret until somebody has confirmed."""
        result = original(response)
        subscription = response.backend.subscriptions[result.result["SubscriptionArn"]]
        if is_pending(subscription) and not response._get_bool_param("ReturnSubscriptionArn"):
            return ActionResult({"SubscriptionArn": "pending confirmation"})
        return cast(ActionResult, result)

    for listing in ("list_subscriptions", "list_subscriptions_by_topic"):

        @patches.wrap(SNSResponse, listing)
        def listed(original: Any, response: Any) -> ActionResult:
            result = original(response).result
            return ActionResult({**result, "Subscriptions": [_shown(one) for one in result["Subscriptions"]]})


def check_endpoint(endpoint: str, protocol: str) -> None:
    """Raise for what SNS refuses, and for what the embedded cloud does not deliver to."""
    if protocol in ("email", "email-json"):
        if "@" not in endpoint:
            raise SNSInvalidParameter("Invalid parameter: Email address")
    elif protocol in ("http", "https"):
        if not endpoint.startswith(f"{protocol}://"):
            raise SNSInvalidParameter("Invalid parameter: Endpoint must match the specified protocol")
        if urlparse(endpoint).hostname not in LOOPBACK:
            raise NotImplementedError(f"the endpoint {endpoint!r}: the embedded cloud delivers on loopback only")
    else:
        raise NotImplementedError(f"subscriptions by {protocol!r}: the embedded cloud has email and http")


def is_pending(subscription: Any) -> bool:
    return bool(subscription.attributes.get(PENDING))


def _shown(subscription: Any) -> dict[str, Any]:
    return {
        "SubscriptionArn": PENDING if is_pending(subscription) else subscription.arn,
        "Owner": subscription.owner,
        "Protocol": subscription.protocol,
        "Endpoint": subscription.endpoint,
        "TopicArn": subscription.topic_arn,
    }


def _install_confirm(patches: Patches) -> None:
    @patches.wrap(SNSResponse, "confirm_subscription")
    def confirm(original: Any, response: Any) -> ActionResult:
        original(response)  # which says that there is no such topic
        token, topic = response._get_param("Token"), response._get_param("TopicArn")
        for subscription in response.backend.subscriptions.values():
            if subscription.topic_arn == topic and secrets.compare_digest(vars(subscription).get("token", ""), token):
                subscription.attributes |= {PENDING: False}
                return ActionResult({"SubscriptionArn": subscription.arn})
        raise InvalidParameterValue("Invalid token")


def _install_delivery(patches: Patches) -> None:
    @patches.wrap(Subscription, "publish")
    def deliver(
        original: Any, subscription: Any, message: str, message_id: str, subject: str | None = None, **_: Any
    ) -> None:
        if is_pending(subscription) or not subscription.protocol.startswith("http"):
            return
        _send(subscription, "Notification", {"MessageId": message_id, "Message": message, "Subject": subject})

    @patches.wrap(Topic, "publish")
    def publish(original: Any, topic: Any, *args: Any, **kwargs: Any) -> str:
        message_id: str = original(topic, *args, **kwargs)
        del topic.sent_notifications[:-KEPT]
        return message_id


def _ask(subscription: Any) -> None:
    text = (
        f"You have chosen to subscribe to the topic {subscription.topic_arn}. Call ConfirmSubscription with the token."
    )
    _send(subscription, "SubscriptionConfirmation", {"Token": subscription.token, "Message": text})


def _send(subscription: Any, kind: str, fields: Mapping[str, Any]) -> None:
    """Deliver in the background, once; what cannot be delivered is logged."""
    body = {"Type": kind, "TopicArn": subscription.topic_arn, **{k: v for k, v in fields.items() if v is not None}}
    headers = {"Content-Type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": kind}
    request = urllib.request.Request(subscription.endpoint, json.dumps(body).encode(), headers)

    def deliver() -> None:
        try:
            urllib.request.urlopen(request, timeout=PATIENCE).close()
        except OSError as error:
            logger.warning("a message of %s did not reach %s: %s", body["TopicArn"], subscription.endpoint, error)

    threading.Thread(target=deliver, name="sns", daemon=True).start()
