"""What `miyabi configure` writes on a Prefect server: all of it once, then nothing, and no more than differs."""

import copy
import shutil
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from blocks.environment import Environment
from blocks.operating import RollbackSettings
from deployments.apply import BadFiles, configure, read_all
from deployments.configuring.automations import Automation, Ids, core_of, read_automations
from deployments.configuring.entries import BadDeployments, Entry, full_name, read_deployments
from deployments.configuring.leftovers import tell_leftovers
from deployments.environment_files import ROOT, environment_names
from deployments.register import summary
from deployments.settings import LocalCloud, read_environments

NOBODY = "local tells nobody through 'custom-webhook/miyabi-inbox': make this block in the Prefect UI, then again"
CLOUD = LocalCloud("http://127.0.0.1:4566", "http://127.0.0.1:4580", "127.0.0.1:54329")
STORES = {"flows", "deployments", "automations", "block_documents"}


class FakeServer:
    """Prefect's REST API as far as it is used, with what it does to what it is given."""

    def __init__(self) -> None:
        self.stores: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in STORES}
        self.pools: dict[str, dict[str, Any]] = {}
        self.writes: list[str] = []
        self._last = 0

    def request(self, method: str, path: str, body: Any = None) -> Any:
        kind, *rest = path.strip("/").split("/")
        if method == "POST" and rest == ["filter"]:
            found = list(copy.deepcopy(self.stores[kind]).values())
            return found[body["offset"] : body["offset"] + body["limit"]]
        if method == "GET":
            return self.pools.get(rest[0]) if kind == "work_pools" else None  # no notification block is there
        self.writes.append(f"{method} {path}")
        return getattr(self, f"{method}_{kind}".lower())(rest, copy.deepcopy(body))

    def post_work_pools(self, _rest: list[str], body: Any) -> Any:
        self.pools[body["name"]] = {**body, "concurrency_limit": None}
        return self.pools[body["name"]]

    def patch_work_pools(self, rest: list[str], body: Any) -> None:
        self.pools[rest[0]].update(body)

    def post_flows(self, _rest: list[str], body: Any) -> Any:
        flows = self.stores["flows"]
        known = next((flow for flow in flows.values() if flow["name"] == body["name"]), None)
        return known or self.add("flows", body)

    def post_deployments(self, rest: list[str], body: Any) -> Any:
        if rest:  # schedules
            self.stores["deployments"][rest[0]]["schedules"] += [{**one, "id": self.new_id()} for one in body]
            return None
        body["schedules"] = [{**one, "id": self.new_id()} for one in body["schedules"]]
        return self.add("deployments", as_read(body))

    def patch_deployments(self, rest: list[str], body: Any) -> None:
        if len(rest) == 1:
            self.stores["deployments"][rest[0]].update(as_read(body))
            return
        schedules = self.stores["deployments"][rest[0]]["schedules"]
        next(one for one in schedules if one["id"] == rest[2]).update(body)

    def delete_deployments(self, rest: list[str], _body: Any) -> None:
        if len(rest) == 1:
            del self.stores["deployments"][rest[0]]
            return
        one = self.stores["deployments"][rest[0]]
        one["schedules"] = [schedule for schedule in one["schedules"] if schedule["id"] != rest[2]]

    def post_automations(self, _rest: list[str], body: Any) -> Any:
        return self.add("automations", body)

    def put_automations(self, rest: list[str], body: Any) -> None:
        self.stores["automations"][rest[0]].update(body)

    def delete_block_documents(self, rest: list[str], _body: Any) -> None:
        del self.stores["block_documents"][rest[0]]

    def delete_automations(self, rest: list[str], _body: Any) -> None:
        del self.stores["automations"][rest[0]]

    def new_id(self) -> str:
        self._last += 1
        return str(UUID(int=self._last))

    def add(self, kind: str, body: Any) -> Any:
        made = {**body, "id": self.new_id()}
        self.stores[kind][made["id"]] = made
        return made

    def deployment(self, name: str) -> dict[str, Any]:
        flow, _, environment = name.partition("/")
        flows = {one["id"]: one["name"] for one in self.stores["flows"].values()}
        deployments = self.stores["deployments"].values()
        return next(d for d in deployments if (flows[d["flow_id"]], d["name"]) == (flow, environment))


def as_read(body: dict[str, Any]) -> dict[str, Any]:
    limit = body.pop("concurrency_limit", None)
    options = body.get("concurrency_options")
    if options is not None:
        body["concurrency_options"] = {**options, "grace_period_seconds": None}
    return {**body, "global_concurrency_limit": limit and {"limit": limit}}


class Ground:
    """The files of this repository, and a server."""

    def __init__(self, server: FakeServer) -> None:
        self.server = server
        self.environments: list[Environment] = read_environments(environment_names(), CLOUD)
        self.entries: list[Entry] = copy.deepcopy(read_deployments())
        self.automations: list[Automation] = read_automations(self.environments)

    def apply(self, *, prune: bool = False) -> list[str]:
        said: list[str] = []
        self.server.writes.clear()
        configure(self.server, self.environments, self.entries, self.automations, said.append, prune=prune)
        return said

    def entry(self, name: str) -> Entry:
        return next(entry for entry in self.entries if full_name(entry) == name)


@pytest.fixture(scope="module")
def configured() -> FakeServer:
    server = FakeServer()
    ground = Ground(server)
    said = summary(ground.apply())
    counted = [f"made {len(ground.entries)} deployments", f"made {len(made(server))} automations"]
    assert set(counted) < set(said), said
    return server


@pytest.fixture
def ground(configured: FakeServer) -> Ground:
    """A server that is configured."""
    return Ground(copy.deepcopy(configured))


def made(server: FakeServer) -> list[str]:
    return [one["name"] for one in server.stores["automations"].values()]


def test_a_second_time_nothing_is_written(ground: Ground) -> None:
    said = ground.apply()
    assert ground.server.writes == []
    assert said == [NOBODY]


def test_what_has_a_schedule_begins_paused(ground: Ground) -> None:
    smoke, release = (ground.server.deployment(f"{flow}/production") for flow in ("smoke-test", "release"))
    assert smoke["paused"]
    assert [schedule["slug"] for schedule in smoke["schedules"]] == ["quarter-hourly"]
    assert not release["paused"]


def test_a_schedule_that_comes_later_runs_where_the_others_do(ground: Ground) -> None:
    for environment in ("local", "staging"):
        del ground.server.stores["deployments"][ground.server.deployment(f"report/{environment}")["id"]]
    ground.server.deployment("smoke-test/local")["paused"] = False
    ground.apply()
    assert not ground.server.deployment("report/local")["paused"]
    assert ground.server.deployment("report/staging")["paused"]


def test_only_what_differs_is_changed_and_what_a_person_has_set_stays(ground: Ground) -> None:
    smoke = ground.server.deployment("smoke-test/local")
    smoke["paused"] = smoke["schedules"][0]["active"] = False
    ground.server.pools["agents"]["concurrency_limit"] = 99
    ground.entry("smoke-test/local")["description"] = "another one"
    ground.entry("smoke-test/local")["schedules"][0]["cron"] = "*/5 * * * *"
    assert ground.apply()[:2] == [
        "changed deployment smoke-test/local: description",
        "changed schedule quarter-hourly of smoke-test/local",
    ]
    smoke = ground.server.deployment("smoke-test/local")
    assert (smoke["paused"], smoke["schedules"][0]["active"]) == (False, False)
    assert smoke["schedules"][0]["schedule"]["cron"] == "*/5 * * * *"
    assert ground.server.pools["agents"]["concurrency_limit"] == 99


def test_a_schedule_that_left_the_file_goes_and_one_of_a_person_stays(ground: Ground) -> None:
    mine = {"id": "mine", "slug": None, "schedule": {"cron": "0 0 * * *"}, "parameters": {}, "active": True}
    ground.server.deployment("report/local")["schedules"].append(mine)
    ground.entry("report/local")["schedules"] = []
    assert "removed schedule weekly of report/local" in ground.apply()
    assert ground.server.deployment("report/local")["schedules"] == [mine]


def test_what_left_the_files_is_told_and_removed_on_request(ground: Ground) -> None:
    ground.entries.remove(ground.entry("investigate/staging"))
    gone = ground.automations.pop()["name"]
    foreign = {"name": "theirs", "flow_id": next(iter(ground.server.stores["flows"])), "entrypoint": "x.py:f"}
    ground.server.add("deployments", {**foreign, "schedules": []})
    said = ground.apply()
    assert ground.server.writes == []
    assert "left over, for `--prune` to remove: deployment investigate/staging" in said
    assert f"left over, for `--prune` to remove: automation {gone!r}" in said
    said = ground.apply(prune=True)
    assert {"removed deployment investigate/staging", f"removed automation {gone!r}"} < set(said)
    assert gone not in made(ground.server)
    assert "theirs" in [one["name"] for one in ground.server.stores["deployments"].values()]


def test_what_is_local_is_left_over_where_there_is_no_such_stack(ground: Ground) -> None:
    """Another server's laptop keeps what is its own; where `local` is only a leftover, all of it goes."""
    here = {entry["name"] for entry in ground.entries} - {"local"}
    wanted = {full_name(entry) for entry in ground.entries if entry["name"] in here}
    said: list[str] = []
    tell_leftovers(ground.server, wanted, here, said.append, prune=False)
    assert said == [f"left over, for `--prune` to remove: deployment {name}" for name in sorted(local(ground))]
    ground.server.add("block_documents", {"name": "local"})
    ground.server.add("block_documents", {"name": "gone"})
    tell_leftovers(ground.server, wanted, here, said.append, prune=True)
    assert said[len(local(ground)) :] == ["removed environment gone"]


def local(ground: Ground) -> list[str]:
    return [full_name(entry) for entry in ground.entries if entry["name"] == "local"]


def test_an_automation_that_a_person_turned_off_stays_off(ground: Ground) -> None:
    one = next(iter(ground.server.stores["automations"].values()))
    one["enabled"], one["description"] = False, "older"
    assert f"changed automation {one['name']!r}" in ground.apply()
    changed = ground.server.stores["automations"][one["id"]]
    assert (changed["enabled"], changed["description"]) != (True, "older")
    assert changed["enabled"] is False


def test_automations_are_for_the_environments_that_want_them(ground: Ground) -> None:
    names = [automation["name"] for automation in ground.automations if automation["actions"]]
    assert "production: after a diagnosis, back to the last release" not in names  # a person decides
    assert "staging: after a diagnosis, back to the last release" in names
    assert "production: people are told" in names
    assert "production: people are told" not in made(ground.server)  # nobody is named there


def test_what_an_environment_does_not_allow_any_more_is_removed(ground: Ground) -> None:
    name = "local: after a diagnosis, back to the last release"
    assert name in made(ground.server)
    (local,) = [environment for environment in ground.environments if environment.name == "local"]
    off = local.model_copy(update={"rollback": RollbackSettings(automatic=False)})
    ground.automations = read_automations([off if one is local else one for one in ground.environments])
    assert f"removed automation {name!r}" in ground.apply()
    assert name not in made(ground.server)


def test_people_are_told_through_each_block(ground: Ground) -> None:
    told = next(one for one in ground.automations if one["name"] == "production: people are told")
    blocks = [str(UUID(int=number)) for number in (1, 2)]
    core = core_of(told, Ids({}, {"production": blocks, "staging": blocks[:1]}))
    assert [str(action.block_document_id) for action in core.actions] == blocks  # type: ignore[union-attr]


def test_every_schedule_begins_with_a_release_and_ends_with_a_teardown(ground: Ground) -> None:
    for environment in environment_names():
        scheduled = {full_name(one) for one in ground.entries if one.get("schedules") and one["name"] == environment}
        for kind, what in (("resume-deployment", "what is released"), ("pause-deployment", "what is gone")):
            (automation,) = [one for one in ground.automations if one["name"].startswith(f"{environment}: {what} is")]
            assert {action["deployment"] for action in automation["actions"]} == scheduled
            assert {action["type"] for action in automation["actions"]} == {kind}


def test_what_waits_for_silence_waits_for_each_resource_alone(ground: Ground) -> None:
    """Without `for_each` Prefect begins to wait at once, in every environment, and not `after` something."""
    silent = [one["trigger"] for one in ground.automations if one["trigger"]["posture"] == "Proactive"]
    assert len(silent) == 1 + len(environment_names())
    assert all(trigger["after"] and trigger["for_each"] == ["prefect.resource.id"] for trigger in silent)


def test_bad_automations_are_refused_with_all_problems(tmp_path: Path) -> None:
    trigger = {"type": "event", "posture": "Reactive", "expect": ["x"]}
    good = {"name": "a", "trigger": trigger, "actions": [{"type": "do-nothing"}]}
    bad = [good, good, {**good, "name": "b", "acitons": []}, {**good, "name": "c", "actions": [{"type": "fly"}]}]
    (tmp_path / "x.yaml").write_text(yaml.safe_dump({"automations": bad}))
    with pytest.raises(BadDeployments) as caught:
        read_automations([], tmp_path)
    for problem in ("'a' stands there twice", "'b': unknown key 'acitons'", "'c'"):
        assert problem in str(caught.value)


def test_everything_that_files_can_say_is_checked_before_anything_is_saved(tmp_path: Path) -> None:
    """An environment without its lines, one with a bad setting, lines without one, and a bad pool: all at once."""
    files = tmp_path / "deployments"
    shutil.copytree(ROOT / "deployments", files)
    settings = (files / "environments" / "staging.toml").read_text()
    (files / "environments" / "qa.toml").write_text(settings)
    (files / "environments" / "bad.toml").write_text("nosuch = 1\n" + settings)
    entries = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    one = next(entry for entry in entries["deployments"] if entry["name"] == "staging")
    entries["deployments"] += [{**one, "name": "qa"}, {**one, "name": "qaa"}]
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump(entries))
    (files / "work_pools" / f"{one['work_pool']['name']}.yaml").write_text("type: boat\n")
    with pytest.raises(BadFiles) as caught:
        read_all(["qa", "bad"], None, tmp_path)
    said = str(caught.value)
    assert f"{full_name(one).removesuffix('staging')}qaa: there is no deployments/environments/qaa.toml" in said
    for problem in ("bad.toml: unknown setting(s) 'nosuch'", "'diagnose/qa', which automations name", "boat"):
        assert problem in said
    assert f"'{full_name(one)}'" not in said


def test_a_deployment_that_lacks_something_is_said_and_not_raised(tmp_path: Path) -> None:
    file = tmp_path / "prefect.yaml"
    file.write_text("deployments:\n  - {name: qa, entrypoint: flows.release.release}\n  - {name: qa}\n")
    with pytest.raises(BadDeployments) as caught:
        read_deployments(file)
    for problem in ("there is no 'pull'", "release/qa: there is no work_pool: name", "?/qa: there is no entrypoint"):
        assert problem in str(caught.value)


def test_a_killed_process_is_told_once(ground: Ground) -> None:
    """Its worker and the runner in that both say Crashed, one after the other."""
    trigger = next(one["trigger"] for one in ground.automations if one["name"] == "local: a run that crashed is told")
    assert trigger["for_each"] == ["prefect.resource.id"]
    assert trigger["within"] > 0


def test_a_run_is_dead_when_three_heartbeats_did_not_come() -> None:
    for heartbeat, seconds in ((30, 100), (180, 550)):
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: heartbeat}):
            found = {one["name"]: one["trigger"] for one in read_automations([])}
        assert found["runs without a heartbeat are crashed"]["within"] == seconds


def test_a_killed_run_goes_on_unless_it_destroys_measures_or_makes_something_new(ground: Ground) -> None:
    one = next(one for one in ground.automations if one["name"] == "local: a run whose process was killed goes on")
    flows = {flow["name"] for flow in ground.server.stores["flows"].values()}
    again = set(one["trigger"]["match_related"][0]["prefect.resource.name"])
    assert again < flows
    assert {"teardown", "load-test", "restore", "investigate", "run-agent"} <= flows - again
    assert one["trigger"]["match"]["prefect.run-count"] == "1"
