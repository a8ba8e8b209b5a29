"""What an agent on another host needs to join: credentials of its own, addresses, one script."""

import shlex

from vhb.deployment.layout import Layout
from vhb.deployment.secret_files import SecretFiles
from vhb_shared.errors import UserError

_JOIN = """\
#!/bin/sh
# Joins the inference agent of this host to the deployment. Only outgoing connections are made.
#   sh join.sh           with Python: `pip install` the project first
#   sh join.sh docker    as a container: VHB_AGENT_IMAGE, default vhb-inference-agent:latest; more arguments go to
#                        `docker run`, for example  --gpus all
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
name={name}
if [ "${{1:-}}" = docker ]; then
  shift
  exec docker run --detach --name "vhb-agent-$name" --restart unless-stopped --init \\
    --user "$(id -u):$(id -g)" --env-file "$here/agent.env" \\
    --volume "$here:/run/vhb:ro" --volume "vhb-agent-$name:/var/lib/vhb" "$@" \\
    "${{VHB_AGENT_IMAGE:-vhb-inference-agent:latest}}"
fi
set -a
. "$here/agent.env"
VHB_NATS_CREDS="$here/nats.json"
VHB_S3_ACCESS_KEY_FILE="$here/s3.access_key"
VHB_S3_SECRET_KEY_FILE="$here/s3.secret_key"
[ ! -e "$here/ca.pem" ] || VHB_NATS_CA="$here/ca.pem"
VHB_AGENT_DIRECTORY="${{VHB_AGENT_HOME:-$HOME/.local/share/vhb-agent}}/agent"
VHB_AGENT_ENVIRONMENTS="${{VHB_AGENT_HOME:-$HOME/.local/share/vhb-agent}}/environments"
VHB_CACHE_DIR="${{VHB_AGENT_HOME:-$HOME/.local/share/vhb-agent}}/cache"
unset VHB_HEALTH_FILE
set +a
exec "${{PYTHON:-python3}}" -m vhb_inference_agent
"""


def write_bundle(files: SecretFiles, layout: Layout, host: str, nats_url: str | None, s3_endpoint: str | None) -> None:
    """Writes `agents/<host>/`; copy it to that host, it is all that is needed there.

    Raises:
        UserError: the addresses of this deployment, as that host reaches them, were not given.
    """
    if not nats_url or not s3_endpoint:
        raise UserError(
            "an agent on another host needs to know where this one is: add --nats-url nats://THIS-HOST:4222 and "
            "--s3-endpoint http://THIS-HOST:9000."
        )
    folder = layout.bundle(host)
    files.folder(folder.parent)
    files.folder(folder)
    user = f"agent-{host}"
    copies = {
        "nats.json": layout.nats / f"{user}.json",
        "s3.access_key": layout.s3 / f"{user}.access_key",
        "s3.secret_key": layout.s3 / f"{user}.secret_key",
    }
    authority = layout.authorities / "ca.pem"
    if authority.exists():
        copies["ca.pem"] = authority
    for name, source in copies.items():
        files.derived(folder / name, source.read_text(encoding="utf-8"))
    variables = {
        "VHB_NATS_URL": nats_url,
        "VHB_NATS_CREDS": "/run/vhb/nats.json",
        "VHB_S3_ENDPOINT": s3_endpoint,
        "VHB_S3_ACCESS_KEY_FILE": "/run/vhb/s3.access_key",
        "VHB_S3_SECRET_KEY_FILE": "/run/vhb/s3.secret_key",
        "VHB_AGENT_NAME": host,
        "VHB_LOG_FORMAT": "json",
    }
    if authority.exists():
        variables["VHB_NATS_CA"] = "/run/vhb/ca.pem"
    files.derived(folder / "agent.env", "".join(f"{key}={value}\n" for key, value in variables.items()))
    files.derived(folder / "join.sh", _JOIN.format(name=shlex.quote(host)))
    files.made.append(folder)
