"""The profile `postgres`: what the REST interface says stands in the server, and outlives the containers.

After the tests of the deployment, whose jobs it tells of.
"""

import pytest
from deployment import Deployment, Results, docker, run, wait_until
from deployment_api import Api

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

READY_S = 180


def _psql(deployment: Deployment, *arguments: str, env: tuple[str, ...] = ()) -> str:
    given = [word for variable in env for word in ("--env", variable)]
    command = ("psql", "--username", "vhb", "--no-password", "--no-align", "--tuples-only", *arguments)
    return docker("exec", *given, deployment.container("postgres"), *command).strip()


def _log(deployment: Deployment) -> str:
    """What the interface has said since its container was made."""
    return run("sh", "-c", f"docker logs {deployment.container('api')} 2>&1")


def _wait_until_it_knows(deployment: Deployment) -> None:
    """Of all that has happened, by the bus."""
    wait_until(lambda: _known(deployment) == deployment.event_ids(), 120, "the interface knows of everything")


def _known(deployment: Deployment) -> list[str]:
    return sorted(event for job in deployment.api.jobs() for event in deployment.api.event_ids(job["job_id"]))


def test_what_the_interface_says_stands_in_the_server(deployment: Deployment, undisturbed: Results) -> None:
    _wait_until_it_knows(deployment)
    rows = _psql(deployment, "--command", "SELECT id FROM events").splitlines()
    assert rows and sorted(rows) == _known(deployment)


@pytest.mark.parametrize("host", ["127.0.0.1", "postgres"])
def test_nobody_gets_in_without_the_password(deployment: Deployment, host: str) -> None:
    asked = ("--host", host, "--command", "SELECT 'in'")
    with pytest.raises(AssertionError, match="no password supplied"):
        _psql(deployment, *asked)
    with pytest.raises(AssertionError, match="password authentication failed"):
        _psql(deployment, *asked, env=("PGPASSWORD=wrong",))
    password = (deployment.folder / "secrets" / "postgres" / "password").read_text()
    assert _psql(deployment, *asked, env=(f"PGPASSWORD={password}",)) == "in"


def test_taken_down_and_up_again_it_is_all_there(deployment: Deployment, undisturbed: Results) -> None:
    """A token is in the database only: rows of jobs the interface would make anew, from the events."""
    jobs = deployment.api.jobs()
    made = deployment.compose("exec", "-T", "api", "vhb", "api", "token", "create", "kept", "--role", "viewer")
    assert "database_rebuilt" in _log(deployment), "at its first start it had an empty database"
    someone = Api(deployment.api.url, next(word for word in made.split() if word.startswith("vhb_")))
    deployment.down()
    deployment.up()
    wait_until(deployment.api.ready, READY_S, "the interface is ready")
    assert someone.get("/me")["name"] == "kept"
    assert deployment.api.jobs() == jobs
    assert "database_rebuilt" not in _log(deployment)


def test_the_profile_without_it_says_the_same(deployment: Deployment, undisturbed: Results) -> None:
    """The last one: the interface has a SQLite file in its volume from here on, filled from the events."""
    jobs = deployment.api.jobs()
    deployment.set(VHB_API_DATABASE="sqlite:////var/lib/vhb/vhb-api.db")
    deployment.compose("up", "--detach", "--wait", "--wait-timeout", str(READY_S), "--no-deps", "api", timeout=240)
    wait_until(deployment.api.ready, READY_S, "the interface is ready")
    assert deployment.api.jobs() == jobs
    _wait_until_it_knows(deployment)
