"""compose.yaml's own services as containers, beside whatever else the engine runs: found by project and agent only."""

import csv
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployment_api import Api

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
UP_S = 300
LAST_LINES = 40
PAUSE_TRIES = 20
_STATE = "{{.Name}} {{.State.Status}} {{.State.ExitCode}} out of memory {{.State.OOMKilled}} since {{.State.StartedAt}}"
_FILES = ("compose.yaml", "deploy/compose.offline.yaml", "deploy/compose.docker.yaml")


def run(*command: str | Path, timeout: float = 120, **options: Any) -> str:
    """Standard output of a command that must succeed."""
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout, **options
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def docker(*arguments: str, timeout: float = 120) -> str:
    """The engine's command."""
    return run("docker", *arguments, timeout=timeout)


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """Waits; returns how long it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.2)
    return time.monotonic() - started


def requests(log: str) -> int:
    """Requests that an engine has begun to answer, by its log."""
    return log.count('"POST /v1/chat/completions HTTP/1.1" 200')


@dataclass
class Results:
    """What a job came to."""

    folder: Path
    answers: list[tuple[str, str, str]]
    """id, model_answer, outcome: what must not depend on faults."""
    environment: dict[str, Any]


class Deployment:
    """`vhb init`, `docker compose up`, and what a person does with it then.

    Args:
        folder: Its secrets and weights; its own.
        images: Start of the names of its images, built already.
        base: An image to run small helpers of.
    """

    def __init__(self, folder: Path, images: str, base: str) -> None:
        self.name = f"vhb-e2e-{secrets.token_hex(4)}"
        self.folder, self._base = folder, base
        self.weights = folder / "weights"
        self.weights.mkdir(mode=0o755)
        run(BIN / "vhb", "init", folder, "--docker", "--offline", "--postgres")
        known = _variables(folder / ".env")
        if os.geteuid() == 0:
            os.chown(self.weights, int(known["VHB_UID"]), int(known["VHB_GID"]))
        nats_port, s3_port, api_port = _free_ports(3)
        more = {
            "VHB_IMAGES": images,
            "VHB_NETWORK": self.name,
            "VHB_BACKENDS_NETWORK": f"{self.name}-backends",
            "VHB_NATS_PORT": str(nats_port),
            "VHB_S3_PORT": str(s3_port),
            "VHB_API_PORT": str(api_port),
            # The agent of another deployment on this engine would take containers of one named alike for its own.
            "VHB_AGENT_NAME": self.name,
            "VHB_AGENT_IDLE_S": "3600",
            "VHB_WEIGHTS": str(self.weights),
            "VHB_DOCKER_ALLOWED_MOUNTS": str(self.weights),
            "VHB_DOCKER_PULL": "never",
        }
        self.set(**more)
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("VHB_", "COMPOSE_"))}
        self._compose_env = clean
        self.env = {
            **clean,
            **_variables(folder / "client.env"),
            "VHB_NATS_URL": f"nats://127.0.0.1:{nats_port}",
            "VHB_S3_ENDPOINT": f"http://127.0.0.1:{s3_port}",
            "VHB_CACHE_DIR": str(folder / "cache"),
        }
        token = (folder / "secrets" / "api" / "admin.token").read_text().strip()
        self.api = Api(f"http://127.0.0.1:{api_port}", token)

    def set(self, **variables: str) -> None:
        """Writes variables of compose.yaml; the last word on one counts."""
        with (self.folder / ".env").open("a") as file:
            file.writelines(f"{key}={value}\n" for key, value in variables.items())

    def compose(self, *arguments: str, timeout: float = 120) -> str:
        """`docker compose` on this project."""
        files = [word for file in _FILES for word in ("--file", str(ROOT / file))]
        command = [BIN / "docker-compose", "--project-name", self.name, "--env-file", self.folder / ".env", *files]
        return run(*command, *arguments, timeout=timeout, env=self._compose_env)

    def up(self) -> None:
        """Starts it; returns when every service is healthy."""
        self.compose("up", "--detach", "--wait", "--wait-timeout", str(UP_S), timeout=UP_S + 60)

    def down(self, *more: str) -> None:
        """Ends it, and what its agent has started.

        Args:
            more: `--volumes` leaves nothing of it behind.
        """
        with suppress(AssertionError, subprocess.TimeoutExpired):
            self.compose("kill", "inference-agent")
        for container in self.backends(stopped=True):
            docker("rm", "--force", "--volumes", container)
        label = "vhb.environment.life.of"
        listing = ("volume", "ls", "--filter", f"label={label}", "--format", f'{{{{.Name}}}} {{{{.Label "{label}"}}}}')
        for volume in self._of_its_agent(*listing):
            docker("volume", "rm", volume)
        self.compose("--profile", "*", "down", "--remove-orphans", "--timeout", "5", *more, timeout=180)

    def container(self, service: str) -> str:
        """The id of a service's container."""
        (found,) = docker(
            "ps", "--all", "--quiet", "--no-trunc",
            "--filter", f"label=com.docker.compose.project={self.name}",
            "--filter", f"label=com.docker.compose.service={service}",
        ).split()  # fmt: skip
        return found

    def backends(self, *, stopped: bool = False) -> list[str]:
        """Ids of the containers that its agent has started."""
        every = ("--all",) if stopped else ()
        return self._of_its_agent("ps", "--no-trunc", *every, "--format", '{{.ID}} {{.Label "vhb.environment.agent"}}')

    def _of_its_agent(self, *listing: str) -> list[str]:
        """The first words of lines whose second one is its agent: its name, and a word of the agent's directory."""
        pairs = [line.split(maxsplit=1) for line in docker(*listing).splitlines()]
        return [pair[0] for pair in pairs if pair[1:] and pair[1].startswith(f"{self.name}.")]

    def backend(self) -> str:
        """The one that runs."""
        (found,) = self.backends()
        return found

    @contextmanager
    def paused(self, service: str) -> Iterator[None]:
        """A service whose processes stand still, as long as the block lasts."""
        container = self.container(service)
        for attempt in range(PAUSE_TRIES):
            try:
                docker("pause", container)
                break
            except AssertionError as error:
                # The kernel gives up where a process is being started just then (a health check, on a busy machine).
                if "unable to freeze" not in str(error) or attempt == PAUSE_TRIES - 1:
                    raise
                time.sleep(0.5)
        try:
            yield
        finally:
            docker("unpause", container)

    def kill_9(self, container: str) -> None:
        """What the kernel does to a container that has run out of luck. `docker kill` would count as stopped by a
        person, and no restart policy would bring it back."""
        pid = docker("inspect", "--format", "{{.State.Pid}}", container).strip()
        assert int(pid) > 1, f"{container} does not run"
        docker("run", "--rm", "--pid", "host", self._base, "sh", "-c", f"kill -9 {pid}")

    def asked(self, container: str) -> int:
        """Requests that an engine has begun to answer, by its own log."""
        done = subprocess.run(["docker", "logs", container], capture_output=True, text=True, errors="replace")
        return requests(done.stdout + done.stderr)

    def vhb(self, *arguments: str | Path, code: int | None = 0, timeout: float = 120) -> str:
        """Types a command; it must end with `code` and never with a traceback."""
        done = subprocess.run(
            [BIN / "vhb", *arguments],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout, env=self.env, cwd=self.folder,
        )  # fmt: skip
        said = f"vhb {' '.join(map(str, arguments))}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, said
        assert code is None or done.returncode == code, said
        return done.stdout

    def submit(self, job: Path) -> str:
        """The id of a submitted job."""
        return self.vhb("submit", job).strip()

    def status(self, job_id: str) -> dict[str, Any]:
        """The job's state."""
        state: dict[str, Any] = json.loads(self.vhb("status", job_id, "--json"))
        return state

    def finished(self, job_id: str, out: Path, seconds: float = 700) -> Results:
        """Waits for the job's end and fetches its results."""
        self.vhb("watch", job_id, timeout=seconds)
        assert self.status(job_id)["status"] == "completed"
        self.vhb("results", job_id, "--out", out)
        (folder,) = (out / "runs").iterdir()
        with (folder / "answers.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        answers = [(row["id"], row["model_answer"], row["outcome"]) for row in rows]
        environment = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
        return Results(out, answers, environment)

    def event_ids(self, *job_id: str) -> list[str]:
        """Of everything that has happened in a job or in all, by the bus; sorted, each once."""
        said = self.vhb("events", *job_id, "--json").splitlines()
        return sorted({json.loads(line)["id"] for line in said})

    def last_words(self) -> str:
        """The last lines of every container of it."""
        said = [self._tail(container) for container in self.backends(stopped=True)]
        ours = docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={self.name}").split()
        return "\n".join([*map(self._tail, ours), *said])

    def _tail(self, container: str) -> str:
        about = docker("inspect", "--format", _STATE, container)
        done = subprocess.run(
            ["docker", "logs", "--tail", str(LAST_LINES), container], capture_output=True, text=True, errors="replace"
        )
        return f"== {about}{done.stdout}{done.stderr}"


@contextmanager
def deployed(folder: Path, images: str, base: str, *, prepare: Callable[[Deployment], None]) -> Iterator[Deployment]:
    """A deployment that runs, as long as the block lasts."""
    deployment = Deployment(folder, images, base)
    prepare(deployment)
    try:
        try:
            deployment.up()
        except (AssertionError, subprocess.TimeoutExpired) as error:
            raise AssertionError(f"{error}\n{deployment.last_words()}") from error
        yield deployment
    finally:
        deployment.down("--volumes")


def _variables(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if "=" in line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
