"""The clock of CloudWatch: evaluates every alarm, tells topics of a changed state, and rolls old seconds into minutes.

As on AWS an alarm is evaluated once a minute, one with a period below a minute every ten seconds, over windows that
end at that moment; a new one within a second. An alarm that is set by hand tells its topics, too, and has its own state
again after the next evaluation.
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.cloudwatch.models import CloudWatchBackend

from localcloud.aws import alarm_rules as rules
from localcloud.aws.alarm_state import EXTRA, Rule, reason, reason_data, verdict
from localcloud.aws.metric_queries import series_of

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

logger = logging.getLogger(__name__)

ROLLED_EVERY = 60
ACTIONS = {"ALARM": "alarm_actions", "OK": "ok_actions", "INSUFFICIENT_DATA": "insufficient_data_actions"}


class Ticker:
    """Something done every so many seconds in a thread of its own, until `stop`. Trouble is logged and not the end."""

    def __init__(self, name: str, every: float, work: Callable[[float], None]) -> None:
        self._name, self._every, self._work = name, every, work
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._every):
            try:
                self._work(time.time())
            except Exception:
                logger.exception("%s failed", self._name)


class AlarmClock:
    """Evaluates the alarms of a cloud; `tick` is called every second."""

    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self._rolled_at = time.time()

    def tick(self, now: float) -> None:
        backend = self._cloud.backend("cloudwatch")
        for alarm in list(backend.alarms.values()):
            step = 60 if rules.alarm_period(alarm.queries) >= 60 else 10
            if now // step > alarm.looked_at // step:
                alarm.looked_at = now
                self._look(backend, alarm, int(now // step * step))
        if now - self._rolled_at >= ROLLED_EVERY:
            self._rolled_at = now
            backend.metrics.roll(now)
            self._cloud.state.touch("cloudwatch")

    def _look(self, backend: Any, alarm: Any, end: int) -> None:
        """Evaluate an alarm over the periods that end at this time."""
        rule, before = rules.rule_of(alarm), alarm.state_value
        points = datapoints(backend.metrics, alarm, rule, end)
        state = verdict(rule, [value for _, value in points], before)
        if state == before:
            return
        with self._cloud.state.writing("cloudwatch"):
            if backend.alarms.get(alarm.name) is not alarm:
                return  # deleted or changed meanwhile
            data = reason_data(rule, points, period=rules.alarm_period(alarm.queries), at=time.time())
            alarm.update_state(reason(rule, points, state), data, state)
            tell(self._cloud, alarm, before)


def install(cloud: "Cloud") -> None:
    """Let an alarm that is set by hand tell its topics."""

    @cloud.patches.wrap(CloudWatchBackend, "set_alarm_state")
    def set_state(original: Any, backend: Any, name: str, reason: str, data: str, value: str) -> None:
        before = backend.alarms[name].state_value if name in backend.alarms else ""
        original(backend, name, reason, data, value)
        if value != before:
            tell(cloud, backend.alarms[name], before)


def tell(cloud: "Cloud", alarm: Any, before: str) -> None:
    """Note the new state in the alarm's history, and publish it to its topics. The state is held still."""
    logger.info("alarm %r went from %s to %s: %s", alarm.name, before, alarm.state_value, alarm.state_reason)
    summary = f"Alarm updated from {before} to {alarm.state_value}"
    rules.add_history(alarm, "StateUpdate", summary, alarm.state_reason_data or "{}")
    sns = cloud.backend("sns")
    subject = f'{alarm.state_value}: "{alarm.name}" in US East (N. Virginia)'
    for arn in getattr(alarm, ACTIONS[alarm.state_value]) if alarm.actions_enabled else ():
        done = arn in sns.topics
        if done:
            sns.publish(message(alarm, before), arn, subject=subject[:100])
        rules.add_history(
            alarm, "Action", f"{'Successfully executed' if done else 'Failed to execute'} action {arn}", "{}"
        )


def datapoints(metrics: Any, alarm: Any, rule: Rule, end: int) -> list[tuple[int, float | None]]:
    """The alarm's values by period, oldest first; None where there is none."""
    period = rules.alarm_period(alarm.queries)
    start = end - (rule.periods + EXTRA) * period
    series = series_of(metrics, alarm.queries, start=start, end=end)[rules.result_query(alarm.queries)["Id"]]
    return [(at, series.get(at)) for at in range(start, end, period)]


def message(alarm: Any, before: str) -> str:
    """What a topic is told: the JSON that CloudWatch publishes."""
    shown = rules.shown(alarm)
    account, region = alarm.alarm_arn.split(":")[4], alarm.alarm_arn.split(":")[3]
    trigger = {name: shown[name] for name in _TRIGGER if name in shown}
    return json.dumps(
        {
            "AlarmName": alarm.name,
            "AlarmDescription": alarm.description,
            "AWSAccountId": account,
            "NewStateValue": alarm.state_value,
            "NewStateReason": alarm.state_reason,
            "StateChangeTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
            "Region": region,
            "AlarmArn": alarm.alarm_arn,
            "OldStateValue": before,
            "Trigger": trigger,
        }
    )


_TRIGGER = (
    "MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Unit", "Dimensions", "Period", "EvaluationPeriods",
    "DatapointsToAlarm", "ComparisonOperator", "Threshold", "TreatMissingData", "Metrics",
)  # fmt: skip
