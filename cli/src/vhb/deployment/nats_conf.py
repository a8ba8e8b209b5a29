"""The configuration of a deployment's NATS server: one account, a user for each service, rights from the roles."""

import json
from collections.abc import Iterable

import bcrypt

from vhb_shared.access.bus import inbox_prefix, rights
from vhb_shared.access.roles import Role, role

BCRYPT_ROUNDS = 8
"""Passwords are 256 random bits, which no number of rounds makes harder to guess; each connection pays for them."""


def nats_conf(
    users: Iterable[dict[str, str]],
    *,
    tls: str | None = None,
    listen: str = "0.0.0.0:4222",
    http: str = "127.0.0.1:8222",
    data: str = "/data",
) -> str:
    """The file's text.

    Args:
        users: `user`, `password` and `role` of each.
        tls: folder with cert.pem and key.pem, as the server sees it.
        listen: where clients connect.
        http: where health is asked.
        data: folder of JetStream.
    """
    encrypted = f'tls {{ cert_file: "{tls}/cert.pem", key_file: "{tls}/key.pem", timeout: 5 }}' if tls else ""
    entries = ",\n".join(_user(known["user"], known["password"], role(known["role"])) for known in users)
    return f"""\
# Written by `vhb init` from secrets/nats/*.json and the rights of the roles; it is written anew each time.
server_name: vhb
listen: "{listen}"
http: "{http}"
max_payload: 1MB
jetstream {{ store_dir: "{data}", max_mem: 256MB, max_file: 64GB, sync_interval: "1s" }}
{encrypted}
accounts {{
  VHB {{
    jetstream: enabled
    users: [
{entries}
    ]
  }}
}}
"""


def _user(name: str, password: str, of: Role) -> str:
    may = rights(of)
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(BCRYPT_ROUNDS)).decode()
    permissions = {
        "publish": {"allow": sorted(set(may.publish)), "deny": sorted(may.deny_publish)},
        "subscribe": {"allow": [f"{inbox_prefix(name)}.>", *may.subscribe]},
    }
    return "      " + json.dumps({"user": name, "password": hashed, "permissions": permissions})
