"""compose.yaml, Dockerfiles and locks keep the rules that make them run everywhere."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
COMPOSE = (ROOT / "compose.yaml", *sorted((ROOT / "deploy").glob("compose.*.yaml")))
OURS = ("scheduler", "inference-agent", "inference-agent-gpu", "evaluator", "reporter", "api")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ \\]+)", re.M)


def _compose(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_what_older_compose_does_not_know_is_not_used(path: Path) -> None:
    text = path.read_text()
    content = _compose(path)
    assert "name" not in content and "version" not in content
    assert not re.search(r"^\s+gpus:", text, re.M) and "ulimits" not in text
    assert not re.search(r"\$\{[^}]*\$\{", text), "nested defaults"
    for service in content["services"].values():
        environment = service.get("environment", {})
        assert not any(isinstance(value, bool) for value in environment.values()), "unquoted booleans"


def test_every_service_is_watched_restarted_and_without_rights() -> None:
    services = _compose(COMPOSE[0])["services"]
    for name in (*OURS, "nats", "s3", "postgres"):
        service = services[name]
        assert service["restart"] == "unless-stopped" and "test" in service["healthcheck"], name
        assert service["cap_drop"] == ["ALL"] and "cap_add" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["user"].startswith("${VHB_UID"), name
        assert service["read_only"] is True, name
    for port in services["nats"]["ports"] + services["s3"]["ports"]:
        assert port.startswith("${VHB_PUBLISH:-127.0.0.1}:"), "reachable from this host only, unless asked"
    assert [port.partition(":$")[0] for port in services["api"]["ports"]] == ["${VHB_API_PUBLISH:-127.0.0.1}"]


def test_no_secret_is_in_a_variable_and_every_service_has_its_own() -> None:
    content = _compose(COMPOSE[0])
    for name, service in content["services"].items():
        for key in service.get("environment", {}):
            secret = re.search("PASSWORD|SECRET|ACCESS_KEY", key)
            assert not secret or key.endswith("_FILE"), (name, key)
    owners = {"inference-agent-gpu": "agent", "inference-agent": "agent"}
    for name in OURS:
        role = owners.get(name, name)
        sources = {secret["source"] for secret in content["services"][name]["secrets"]}
        more = {"api_admin", "api_webhooks", "postgres_password"} if role == "api" else set()
        assert sources == {f"nats_{role}", f"s3_{role}_access", f"s3_{role}_secret"} | more
    assert all("${VHB_SECRETS" in secret["file"] for secret in content["secrets"].values())


def test_a_gpu_is_asked_for_in_a_profile_only() -> None:
    services = _compose(COMPOSE[0])["services"]
    with_gpu = [name for name, service in services.items() if "nvidia" in str(service.get("deploy"))]
    assert with_gpu == ["inference-agent-gpu"]
    assert services["inference-agent-gpu"]["profiles"] == ["gpu"] and services["inference-agent"]["profiles"] == ["cpu"]


def test_postgresql_is_there_on_request_inside_the_network_only() -> None:
    content = _compose(COMPOSE[0])
    postgres, api = content["services"]["postgres"], content["services"]["api"]
    assert postgres["profiles"] == ["postgres"] and "ports" not in postgres
    assert re.fullmatch(r"\$\{VHB_POSTGRES_IMAGE:-postgres:\d+\.\d+\}", postgres["image"]), "pinned"
    volume = next(entry.partition(":")[0] for entry in postgres["volumes"])
    prepare = content["services"]["prepare"]
    assert f"{volume}:/postgres" in prepare["volumes"] and "/postgres" in prepare["command"]
    assert "postgres" not in api["depends_on"], "a service that is off cannot be waited for by Compose"
    password = {"source": "postgres_password", "target": "postgres.password"}
    assert password in postgres["secrets"] and password in api["secrets"]
    file = "/run/secrets/postgres.password"
    assert postgres["environment"]["POSTGRES_PASSWORD_FILE"] == file
    assert api["environment"]["VHB_API_DATABASE_PASSWORD_FILE"] == file


def test_postgresql_built_here_is_of_the_version_that_the_public_image_has() -> None:
    pinned = re.search(r"postgres:(\d+)", (ROOT / "compose.yaml").read_text())
    built = re.search(r"^ARG POSTGRES=(\d+)$", (ROOT / "deploy/images/postgres.Dockerfile").read_text(), re.M)
    assert pinned and built and pinned[1] == built[1]


@pytest.mark.parametrize(
    ("words", "said"), [(("--postgres",), "--postgres goes with --offline"), (("--ofline",), "--ofline is none of")]
)
def test_what_cannot_be_built_is_said_before_anything_is(words: tuple[str, ...], said: str) -> None:
    command = ["sh", ROOT / "deploy" / "images" / "build.sh", *words]
    done = subprocess.run(command, env={"PATH": "/usr/bin:/bin", "DOCKER": "false"}, capture_output=True, text=True)
    assert done.returncode == 2 and said in done.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "deploy").rglob("*Dockerfile")), ids=lambda path: path.name)
def test_dockerfiles_build_with_every_builder(path: Path) -> None:
    text = path.read_text()
    assert "ARG BASE_IMAGE=" in text and "FROM ${BASE_IMAGE}" in text
    assert "--mount" not in text and "--chmod" not in text and "<<" not in text and "# syntax" not in text
    assert re.search(r"^USER 10001", text, re.M)
    assert text.count("pip install") == text.count("--require-hashes") + text.count("--no-deps"), "checked by hash"


def _pins(lock: str) -> dict[str, str]:
    return dict(_PIN.findall((ROOT / lock).read_text()))


def test_images_and_the_demo_hold_what_was_tested() -> None:
    runtime, tools = _pins("requirements.lock"), _pins("requirements-dev.lock")
    both = runtime.keys() & tools.keys()
    assert {name: runtime[name] for name in both} == {name: tools[name] for name in both}, "run `make lock`"
    assert _pins("deploy/images/s3.lock").items() <= (runtime | tools).items(), "deploy/images/s3.lock: lock it again"
    assert "pytest" in tools and "pytest" not in runtime, "tools of development are not for those who only run vhb"
    for project in ("shared", "cli", *(f"services/{path.name}" for path in (ROOT / "services").iterdir())):
        needed = tomllib.loads((ROOT / project / "pyproject.toml").read_text())["project"]["dependencies"]
        names = {re.split(r"[\[<>=!~; ]", entry)[0].lower() for entry in needed}
        lacking = {name for name in names if not name.startswith("vhb")} - runtime.keys()
        assert not lacking, f"requirements.lock lacks {lacking}: run `make lock`"


def test_no_secret_gets_into_an_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert ignored.index("*") < ignored.index("!shared") and "**/secrets" in ignored and "**/.env" in ignored
    for line in ("/secrets/", ".env", "client.env"):
        assert line in (ROOT / ".gitignore").read_text().split(), f"{line} has to stay out of version control"
