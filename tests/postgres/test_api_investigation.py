"""The investigation through the API: it is listed, says what it is asked, and an execution of it waits to be run."""

from tests.backend import Client


def test_it_is_listed_and_can_be_asked_for(hana: Client) -> None:
    listed = {agent["id"]: agent for agent in hana.get("/agents").json()}
    known = hana.get("/agents/investigation").json()
    assert (listed["investigation"]["colour"], known["kind"]) == ("blue", "flow")
    garden = hana.post("/repositories", json={"full_name": "hana/investigated"}).json()["id"]
    asked = {
        "repository_id": garden,
        "agent_type": "investigation",
        "input": {"issue": {"title": "T", "body": "- JWT: broken"}},
    }
    answer = hana.post("/agents/execute", json=asked)
    assert (answer.status_code, answer.json()["agent_type"], answer.json()["status"]) == (
        202,
        "investigation",
        "pending",
    )
    wrong = hana.post("/agents/execute", json=asked | {"input": {"reff": "main"}})
    assert wrong.status_code == 422
