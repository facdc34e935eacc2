"""CloudWatch of the embedded cloud: true metrics of functions, APIs and databases; alarms that tell; dashboards."""

import http.server
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from botocore.exceptions import ClientError
from moto.core.base_backend import BackendDict

from localcloud.aws.alarms import AlarmClock
from localcloud.aws.rds_metrics import Gauges
from tests.localcloud.gateway_support import ECHO, Lab
from tests.localcloud.lambda_support import QUICKLY

TOPIC = "arn:aws:sns:us-east-1:211234825975:alerts"
ALARM = {
    "AlarmName": "a", "Namespace": "N", "MetricName": "m", "Statistic": "Sum", "Period": 10, "EvaluationPeriods": 1,
    "Threshold": 5.0, "ComparisonOperator": "GreaterThanThreshold",
}  # fmt: skip


@pytest.fixture
def lab(cloud, aws):
    made = Lab(cloud, aws)
    yield made
    made.clear()


def until(seen, *, seconds=10.0):
    """What `seen` answers, as soon as that is something."""
    end = time.monotonic() + seconds
    while not (found := seen()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
    return found


def code_of(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


def values(aws, namespace, metric, stat="Sum", period=60, **dimensions):
    """All values of the last minutes, oldest first."""
    now = datetime.now(UTC)
    listed = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    stat = {
        "Metric": {"Namespace": namespace, "MetricName": metric, "Dimensions": listed},
        "Period": period,
        "Stat": stat,
    }
    answer = aws("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "m", "MetricStat": stat}],
        StartTime=now - timedelta(minutes=5),
        EndTime=now + timedelta(minutes=1),
        ScanBy="TimestampAscending",
    )
    return answer["MetricDataResults"][0]["Values"]


def total(aws, namespace, metric, **dimensions):
    return sum(values(aws, namespace, metric, **dimensions))


def test_a_function_is_measured_by_alias_and_while_traffic_is_split_by_version(lab, aws):
    lab.python(ECHO)
    lab.alias()
    api = lab.api()
    for _ in range(3):
        assert lab.call(api, "/").status == 200
    assert lab.call(api, "/?raise=1").status == 500
    live = {"FunctionName": "f", "Resource": "f:live"}
    assert total(aws, "AWS/Lambda", "Invocations", **live) == 4
    assert total(aws, "AWS/Lambda", "Errors", **live) == total(aws, "AWS/Lambda", "Errors", FunctionName="f") == 1
    assert max(values(aws, "AWS/Lambda", "ConcurrentExecutions", "Maximum", FunctionName="f")) == 1
    assert total(aws, "AWS/Lambda", "Invocations", **live, ExecutedVersion="1") == 0  # which only a split alias shows
    lab.aws("lambda").update_function_configuration(FunctionName="f", MemorySize=256)
    lab.aws("lambda").get_waiter("function_updated_v2").wait(FunctionName="f", WaiterConfig=QUICKLY)
    lab.aws("lambda").publish_version(FunctionName="f")
    weights = {"AdditionalVersionWeights": {"2": 0.5}}
    lab.aws("lambda").update_alias(FunctionName="f", Name="live", RoutingConfig=weights)
    for _ in range(20):
        assert lab.call(api, "/").status == 200
    by_version = [total(aws, "AWS/Lambda", "Invocations", **live, ExecutedVersion=version) for version in "12"]
    assert sum(by_version) == 20
    assert min(by_version) > 0
    assert total(aws, "AWS/Lambda", "Invocations", FunctionName="f") == 24
    assert 0 < max(values(aws, "AWS/Lambda", "Duration", "p99", **live)) < 10_000


def test_an_api_has_the_names_of_http_apis(lab, aws):
    lab.python(ECHO)
    lab.alias()
    api = lab.api(routes=("GET /", "GET /pets/{id}"), DefaultRouteSettings={"DetailedMetricsEnabled": True})
    assert [lab.call(api, path).status for path in ("/", "/?raise=1", "/nowhere", "/pets/7")] == [200, 500, 404, 200]
    stage = {"ApiId": api, "Stage": "$default"}
    for dimensions in ({"ApiId": api}, stage):
        counted = [total(aws, "AWS/ApiGateway", name, **dimensions) for name in ("Count", "4xx", "5xx")]
        assert counted == [4, 1, 1]
    assert total(aws, "AWS/ApiGateway", "Count", **stage, Method="GET", Resource="/pets/{id}") == 1
    waited, integrated = (
        max(values(aws, "AWS/ApiGateway", name, "Maximum", ApiId=api)) for name in ("Latency", "IntegrationLatency")
    )
    assert waited >= integrated > 0
    assert total(aws, "AWS/ApiGateway", "DataProcessed", ApiId=api) > 0
    listed = aws("cloudwatch").list_metrics(Namespace="AWS/ApiGateway", Dimensions=[{"Name": "Stage"}])["Metrics"]
    assert {one["MetricName"] for one in listed} == {
        "4xx",
        "5xx",
        "Count",
        "DataProcessed",
        "IntegrationLatency",
        "Latency",
    }


def test_what_concurrency_refuses_is_throttled_and_no_invocation(lab, aws):
    lab.python(ECHO)
    lab.alias()
    aws("lambda").put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=1)
    api = lab.api()
    lab.call(api, "/")
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: lab.call(api, "/?sleep=0.5").status, range(4)))
    refused = answers.count(503)
    assert 1 <= refused <= 3
    assert total(aws, "AWS/Lambda", "Throttles", FunctionName="f") == refused
    assert total(aws, "AWS/Lambda", "Invocations", FunctionName="f") == 5 - refused


def test_statistics_of_ones_own_metrics(aws):
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=70)
    one = {"MetricName": "m", "Dimensions": [{"Name": "k", "Value": "v"}], "Timestamp": at, "Unit": "Count"}
    cloudwatch = aws("cloudwatch")
    cloudwatch.put_metric_data(
        Namespace="N", MetricData=[{**one, "Values": [1, 5], "Counts": [9, 1]}, {**one, "Value": 2}]
    )
    asked = {
        "Namespace": "N", "MetricName": "m", "Dimensions": one["Dimensions"], "StartTime": at, "Period": 60,
        "EndTime": at + timedelta(minutes=2),
    }  # fmt: skip
    (point,) = cloudwatch.get_metric_statistics(
        **asked, Statistics=["Sum", "Average", "SampleCount"], ExtendedStatistics=["p50", "p99"]
    )["Datapoints"]
    assert (point["Sum"], point["SampleCount"], point["Unit"]) == (16, 11, "Count")
    assert point["ExtendedStatistics"] == {"p50": 1, "p99": 5}
    assert (
        code_of(cloudwatch.get_metric_statistics, **asked, Statistics=["Sum"], ExtendedStatistics=["tm90"])
        == "SimulatorGap"
    )
    assert (
        code_of(cloudwatch.get_metric_statistics, **{**asked, "Period": 7}, Statistics=["Sum"])
        == "InvalidParameterValue"
    )
    assert code_of(cloudwatch.put_metric_data, Namespace="AWS/Lambda", MetricData=[one]) == "InvalidParameterValue"


def test_a_database_shows_its_real_connections(cloud, aws, lab):
    aws("rds").create_db_instance(
        DBInstanceIdentifier="d", Engine="postgres", DBInstanceClass="db.t3.small", AllocatedStorage=20,
        MasterUsername="boss", MasterUserPassword="a-password-1", DBName="shop",
    )  # fmt: skip
    until(lambda: aws("rds").describe_db_instances()["DBInstances"][0]["DBInstanceStatus"] == "available")
    dsn = cloud.postgres.dsn("shop")
    gauges = Gauges(cloud, cloud.services._databases.databases)
    with psycopg.connect(dsn), psycopg.connect(dsn):
        gauges.look(time.time())
    gauges.look(time.time() + 1)
    gauges.close()
    assert max(values(aws, "AWS/RDS", "DatabaseConnections", "Maximum", DBInstanceIdentifier="d")) == 2
    assert min(values(aws, "AWS/RDS", "FreeStorageSpace", "Minimum", DBInstanceIdentifier="d")) > 0
    assert 0 <= values(aws, "AWS/RDS", "CPUUtilization", "Maximum", DBInstanceIdentifier="d")[-1] <= 100


def tick(cloud):
    """Let three quarters of a minute pass: the cloud's own clock does not see what comes later than now."""
    AlarmClock(cloud).tick(time.time() + 45)


def state(aws, name="a"):
    (alarm,) = aws("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return alarm["StateValue"]


def put(aws, value):
    datum = {"MetricName": "m", "Value": value, "Timestamp": datetime.now(UTC) + timedelta(seconds=30)}
    aws("cloudwatch").put_metric_data(Namespace="N", MetricData=[datum])


def test_an_alarm_has_the_state_of_its_metric(cloud, aws):
    cloudwatch = aws("cloudwatch")
    put(aws, 9.0)
    cloudwatch.put_metric_alarm(**ALARM, TreatMissingData="ignore")
    assert state(aws) == "INSUFFICIENT_DATA"
    tick(cloud)
    assert state(aws) == "ALARM"
    cloudwatch.put_metric_alarm(**{**ALARM, "Threshold": 10.0}, TreatMissingData="ignore")
    assert state(aws) == "ALARM"  # a change leaves it until the next look
    tick(cloud)
    assert state(aws) == "OK"
    history = cloudwatch.describe_alarm_history(AlarmName="a", HistoryItemType="StateUpdate")["AlarmHistoryItems"]
    assert {item["HistorySummary"] for item in history} == {
        "Alarm updated from INSUFFICIENT_DATA to ALARM", "Alarm updated from ALARM to OK",
    }  # fmt: skip


def test_an_alarm_on_metric_math_and_one_on_a_percentile(cloud, aws):
    stat = {"Metric": {"Namespace": "N", "MetricName": "m"}, "Period": 10, "Stat": "Sum"}
    math = [
        {"Id": "m", "MetricStat": stat, "ReturnData": False},
        {"Id": "e", "Expression": "m * 100", "ReturnData": True},
    ]
    rest = {key: ALARM[key] for key in ("AlarmName", "EvaluationPeriods", "ComparisonOperator")}
    cloudwatch = aws("cloudwatch")
    cloudwatch.put_metric_alarm(**rest, Metrics=math, Threshold=200.0)
    assert cloudwatch.describe_alarms()["MetricAlarms"][0]["Metrics"] == math
    percentile = {**ALARM, "AlarmName": "p", "ExtendedStatistic": "p90", "Threshold": 1.0}
    del percentile["Statistic"]
    cloudwatch.put_metric_alarm(**percentile)
    put(aws, 3.0)
    tick(cloud)
    assert (state(aws), state(aws, "p")) == ("ALARM", "ALARM")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"Period": 7}, "ValidationError"),
        ({"DatapointsToAlarm": 2}, "ValidationError"),
        ({"TreatMissingData": "hope"}, "ValidationError"),
        ({"Statistic": "Total"}, "ValidationError"),
        ({"ExtendedStatistic": "p99"}, "InvalidParameterCombination"),
        ({"Period": 43200, "EvaluationPeriods": 3}, "ValidationError"),
        ({"AlarmActions": ["arn:aws:automate:us-east-1:ec2:stop"]}, "SimulatorGap"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold", "ThresholdMetricId": "x"}, "SimulatorGap"),
    ],
)
def test_an_alarm_that_cannot_be_is_refused(aws, wrong, code):
    assert code_of(aws("cloudwatch").put_metric_alarm, **{**ALARM, **wrong}) == code
    assert aws("cloudwatch").describe_alarms()["MetricAlarms"] == []


class Listener:
    """An HTTP endpoint that remembers what it is told."""

    def __init__(self):
        heard = self.heard = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                heard.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of(self, kind):
        return [message for message in self.heard if message["Type"] == kind]


@pytest.fixture
def listener():
    listener = Listener()
    yield listener
    listener.server.shutdown()
    listener.server.server_close()


def test_an_alarm_tells_those_who_have_confirmed(cloud, aws, listener):
    sns, cloudwatch = aws("sns"), aws("cloudwatch")
    sns.create_topic(Name="alerts", Tags=[{"Key": "k", "Value": "v"}])
    assert (
        sns.subscribe(TopicArn=TOPIC, Protocol="email", Endpoint="me@example.com")["SubscriptionArn"]
        == "pending confirmation"
    )
    sns.subscribe(TopicArn=TOPIC, Protocol="http", Endpoint=listener.url)
    (question,) = until(lambda: listener.of("SubscriptionConfirmation"))
    assert code_of(sns.confirm_subscription, TopicArn=TOPIC, Token="wrong") == "InvalidParameter"
    confirmed = sns.confirm_subscription(TopicArn=TOPIC, Token=question["Token"])["SubscriptionArn"]
    listed = sns.list_subscriptions_by_topic(TopicArn=TOPIC)["Subscriptions"]
    assert [(one["Protocol"], one["SubscriptionArn"]) for one in listed] == [
        ("email", "PendingConfirmation"), ("http", confirmed),
    ]  # fmt: skip
    cloudwatch.put_metric_alarm(**ALARM, AlarmActions=[TOPIC])
    cloudwatch.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="an exercise")
    (told,) = until(lambda: listener.of("Notification"))
    assert (told["Subject"], told["TopicArn"]) == ('ALARM: "a" in US East (N. Virginia)', TOPIC)
    message = json.loads(told["Message"])
    assert [message[key] for key in ("NewStateValue", "OldStateValue", "NewStateReason")] == [
        "ALARM", "INSUFFICIENT_DATA", "an exercise",
    ]  # fmt: skip
    (action,) = cloudwatch.describe_alarm_history(HistoryItemType="Action")["AlarmHistoryItems"]
    assert action["HistorySummary"] == f"Successfully executed action {TOPIC}"


@pytest.mark.parametrize(
    ("protocol", "endpoint", "code"),
    [
        ("email", "nobody", "InvalidParameter"),
        ("http", "http://example.com/hook", "SimulatorGap"),
        ("lambda", "arn:aws:lambda:us-east-1:211234825975:function:f", "SimulatorGap"),
        ("sqs", "arn:aws:sqs:us-east-1:211234825975:q", "SimulatorGap"),
    ],
)
def test_a_subscriber_that_nothing_reaches_is_no_success(aws, protocol, endpoint, code):
    aws("sns").create_topic(Name="alerts")
    assert code_of(aws("sns").subscribe, TopicArn=TOPIC, Protocol=protocol, Endpoint=endpoint) == code
    assert aws("sns").list_subscriptions()["Subscriptions"] == []


GOOD = {
    "type": "metric",
    "x": 0,
    "y": 0,
    "width": 12,
    "height": 6,
    "properties": {"region": "r", "metrics": [["N", "m"]]},
}


@pytest.mark.parametrize(
    ("widget", "problem"),
    [
        ({"x": 20}, "within 24 columns"),
        ({"type": "graph"}, "type of"),
        ({"properties": {"metrics": [["N", "m"]]}}, "'region'"),
        ({"properties": {"region": "r", "metrics": [["N", "m", "dimension"]]}}, "Invalid metric field"),
        ({"type": "alarm", "properties": {}}, "'alarms'"),
        ({"height": 0}, "grid"),
    ],
)
def test_a_dashboard_that_would_not_be_drawn_is_refused(aws, widget, problem):
    cloudwatch = aws("cloudwatch")
    body = json.dumps({"widgets": [GOOD, {**GOOD, **widget}]})
    with pytest.raises(ClientError, match=problem) as caught:
        cloudwatch.put_dashboard(DashboardName="d", DashboardBody=body)
    assert caught.value.response["Error"]["Code"] == "InvalidParameterInput"


def test_dashboards_are_put_listed_and_deleted(aws):
    cloudwatch = aws("cloudwatch")
    body = json.dumps({"widgets": [GOOD]})
    cloudwatch.put_dashboard(DashboardName="d", DashboardBody=body)
    assert cloudwatch.get_dashboard(DashboardName="d")["DashboardBody"] == body
    assert code_of(cloudwatch.delete_dashboards, DashboardNames=["d", "e"]) == "ResourceNotFound"
    cloudwatch.delete_dashboards(DashboardNames=["d"])
    assert cloudwatch.list_dashboards()["DashboardEntries"] == []


def test_alarms_topics_and_metrics_survive_a_restart(cloud, aws):
    aws("sns").create_topic(Name="alerts")
    aws("cloudwatch").put_metric_alarm(**ALARM, AlarmActions=[TOPIC], Tags=[{"Key": "k", "Value": "v"}])
    aws("cloudwatch").put_metric_data(Namespace="N", MetricData=[{"MetricName": "m", "Value": 4.0}])
    cloud.state.save(["cloudwatch", "sns"])
    BackendDict.reset()
    for path in cloud.state._files():
        cloud.state._load(path)
    (alarm,) = aws("cloudwatch").describe_alarms()["MetricAlarms"]
    assert (alarm["AlarmActions"], alarm["StateValue"]) == ([TOPIC], "INSUFFICIENT_DATA")
    assert aws("cloudwatch").list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"] == [
        {"Key": "k", "Value": "v"}
    ]
    assert [topic["TopicArn"] for topic in aws("sns").list_topics()["Topics"]] == [TOPIC]
    assert values(aws, "N", "m") == [4.0]
