"""The steps that have a deployed system watched: a topic, the alarms that tell it, a dashboard."""

from tasks.alarms import ensure_alarms
from tasks.changes import Rollout
from tasks.dashboards import ensure_dashboard
from tasks.gateway import Api
from tasks.topics import ensure_topic


def watch_over(rollout: Rollout, api: Api) -> None:
    """Have CloudWatch watch the API, the function behind it and the database. A second run changes nothing."""
    topic = ensure_topic(rollout)
    alarms = ensure_alarms(rollout, topic_arn=topic.arn, api_id=api.id)
    ensure_dashboard(rollout, api_id=api.id, alarm_arns=alarms)
