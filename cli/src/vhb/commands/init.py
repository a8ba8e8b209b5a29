"""`vhb init`: configuration and generated secrets of a deployment."""

from pathlib import Path
from typing import Annotated

import typer


def init(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where compose.yaml is; secrets go to DIR/secrets.")
    ] = Path(),
    force: Annotated[
        bool, typer.Option("--force", metavar="", help="Make all secrets anew; what runs must be started again.")
    ] = False,
    gpu: Annotated[
        bool, typer.Option("--gpu", metavar="", help="The agent of this host gets its NVIDIA GPUs.")
    ] = False,
    docker: Annotated[
        bool,
        typer.Option("--docker", metavar="", help="The agent may start containers: it gets the engine's socket."),
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", metavar="", help="Use images built on this host by deploy/images.")
    ] = False,
    postgres: Annotated[
        bool, typer.Option("--postgres", metavar="", help="The REST interface's database is PostgreSQL, not SQLite.")
    ] = False,
    publish: Annotated[
        str, typer.Option("--publish", metavar="ADDRESS", help="Address on which NATS and S3 can be reached.")
    ] = "127.0.0.1",
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="NAME", help="Write DIR/agents/NAME: an agent on another host.")
    ] = None,
    nats_url: Annotated[
        str | None, typer.Option("--nats-url", metavar="URL", help="The bus, as others reach it.")
    ] = None,
    s3_endpoint: Annotated[
        str | None, typer.Option("--s3-endpoint", metavar="URL", help="Object storage, as others reach it.")
    ] = None,
    tls: Annotated[
        tuple[Path, Path, Path] | None,
        typer.Option("--tls", metavar="CERT KEY CA", help="PEM files: the bus speaks TLS."),
    ] = None,
) -> None:
    """Write configuration and generated secrets for a deployment with compose.yaml.

    Secrets that are there are kept: run it again to add what is missing.
    """
    from vhb.deployment.layout import host_name
    from vhb.deployment.write import Wishes, write_deployment

    wishes = Wishes(
        force=force, gpu=gpu, docker=docker, offline=offline, postgres=postgres, publish=publish, tls=tls,
        agent=host_name(agent) if agent else None, nats_url=nats_url, s3_endpoint=s3_endpoint,
    )  # fmt: skip
    files = write_deployment(directory, wishes)
    for path in files.made:
        print(f"made  {path}")
    if files.kept:
        print(f"kept  {len(files.kept)} files that were there (--force makes them anew)")
    print(_next(directory, agent))


def _next(directory: Path, agent: str | None) -> str:
    token = directory / "secrets" / "api" / "admin.token"
    beside = (directory / "compose.yaml").exists()
    compose = "docker compose" if beside else f"docker compose --env-file {directory / '.env'}"
    go = "" if directory == Path() or not beside else f"cd {directory}\n  "
    if agent:
        return f"""
Next, where the deployment runs:
  {go}{compose} kill -s HUP nats && {compose} run --rm provision-s3
then copy {directory / "agents" / agent} to that host and, there:
  sh join.sh docker        (or, where the project is installed: sh join.sh)"""
    return f"""
Next:
  {go}{compose} up -d --wait
  set -a; . {"." if beside else directory}/client.env; set +a
  vhb submit examples/quickstart.yaml --wait
REST interface: http://127.0.0.1:8477/api/v1, its administrator's token in {token}"""
