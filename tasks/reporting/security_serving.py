"""Checks: how people are answered, and whether somebody is told when something is wrong."""

from collections.abc import Iterator
from datetime import date

from tasks.reporting.flaws import Flaw
from tasks.reporting.model import Scene

OLD_TLS = ("SSLv3", "TLSv1", "TLSv1_2016", "TLSv1.1_2016")


def plain_http(scene: Scene, today: date) -> Iterator[Flaw]:
    seen, subject = scene.get("distribution"), f"distribution {scene.environment.names.site}"
    policy = ((seen.config if seen else {}).get("DefaultCacheBehavior") or {}).get("ViewerProtocolPolicy")
    if policy == "allow-all":
        yield Flaw("medium", subject, f"{seen.id} answers plain HTTP, too", "`miyabi release` redirects it to HTTPS")


def old_tls(scene: Scene, today: date) -> Iterator[Flaw]:
    """CloudFront's own certificate takes no minimum: that needs a domain and a certificate."""
    seen, subject = scene.get("distribution"), f"distribution {scene.environment.names.site}"
    least = ((seen.config if seen else {}).get("ViewerCertificate") or {}).get("MinimumProtocolVersion", "TLSv1")
    if seen is not None and least in OLD_TLS:
        evidence = f"{seen.id} takes TLS from {least} on"
        fix = "a domain with a certificate in ACM, and TLSv1.2_2021 as the least; CloudFront's own name has no minimum"
        yield Flaw("low", subject, evidence, fix)


def any_origin(scene: Scene, today: date) -> Iterator[Flaw]:
    seen = scene.get("API")
    if seen is not None and "*" in seen[0].cors.get("AllowOrigins", ()):
        fix = "`cors_origins` in [api]: the site's address, and release"
        subject = f"API {scene.environment.names.api}"
        yield Flaw("low", subject, "pages of any origin may call it from a browser (CORS *)", fix)


def no_throttle(scene: Scene, today: date) -> Iterator[Flaw]:
    seen = scene.get("API")
    settings = ((seen[0].stage or {}) if seen else {}).get("DefaultRouteSettings") or {}
    if seen is not None and seen[0].stage is not None and not settings.get("ThrottlingRateLimit"):
        fix = "`rate_limit` and `burst_limit` in [api], and release"
        yield Flaw("medium", f"API {scene.environment.names.api}", "nothing limits how often it is called", fix)


def no_access_log(scene: Scene, today: date) -> Iterator[Flaw]:
    seen = scene.get("API")
    if seen is not None and seen[0].stage is not None and not seen[0].stage.get("AccessLogSettings"):
        fix = "`miyabi release` turns it on"
        subject = f"API {scene.environment.names.api}"
        yield Flaw("medium", subject, "nobody can tell who called it, nor why it answered 500", fix)


def nobody_is_told(scene: Scene, today: date) -> Iterator[Flaw]:
    topic, alarms = scene.get("topic"), scene.get("alarms")
    if topic is not None and alarms and not any(topic.emails.values()):
        waiting = [email for email, confirmed in topic.emails.items() if not confirmed]
        evidence = f"{len(alarms)} alarms ring for nobody"
        evidence += f": {', '.join(waiting)} has not confirmed the mail of AWS" if waiting else ""
        fix = "confirm the mail" if waiting else '`emails = ["ops@…"]` in [monitoring], and release'
        yield Flaw("medium", f"topic {scene.environment.names.alerts}", evidence, fix)


def mute_alarms(scene: Scene, today: date) -> Iterator[Flaw]:
    for name, alarm in sorted((scene.get("alarms") or {}).items()):
        if not alarm.facts.get("AlarmActions") or alarm.facts.get("ActionsEnabled") is False:
            yield Flaw(
                "medium", f"alarm {name}", "rings, and tells nothing and nobody", "`miyabi release` puts it right"
            )
