"""`vhb agents`: who can run what, and what they run now."""

import asyncio
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vhb.connect import DEFAULT_WORKDIR, Server, WorkdirOption

if TYPE_CHECKING:
    from vhb_shared.contracts.state import AgentInfo, SessionInfo


def agents(
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="One JSON document, for programs.")] = False,
    server: Server = None,
    workdir: WorkdirOption = DEFAULT_WORKDIR,
) -> None:
    """Show the agents that are online, their devices, and what runs on them."""
    asyncio.run(_agents(as_json, server, workdir))


async def _agents(as_json: bool, server: str | None, workdir: Path) -> None:
    from vhb.connect import connected, settings
    from vhb_shared.contracts.state import AgentInfo

    async with connected(settings(server, workdir)) as connection:
        found = await connection.bus.agents.values(AgentInfo)
    if as_json:
        print(json.dumps([agent.model_dump(mode="json") for agent in found], ensure_ascii=False))
    else:
        _print(found)


def _print(found: "list[AgentInfo]") -> None:
    from rich.text import Text

    from vhb.screen import console, say, table

    out = console()
    if not found:
        say(out, "No agent is online. `vhb up` starts one; on another host: python -m vhb_inference_agent.")
        return
    shown = table("agent", "host", "devices", "memory", "slots", "remote", right=("memory", "slots", "remote"))
    for agent in found:
        places = [session.place for session in agent.sessions]
        shown.add_row(
            Text(agent.agent_id),
            Text(agent.host),
            Text(_devices(agent)),
            "-" if agent.memory_gib is None else f"{agent.memory_gib:.0f} GiB",
            f"{places.count('slot')}/{agent.slots}",
            f"{places.count('remote')}/{agent.remote_slots}",
        )
    out.print(shown)
    sessions = [(agent, session) for agent in found for session in agent.sessions]
    if sessions:
        say(out, "")
        rows = table("model", "agent", "replica", "state", "for", "devices", "doing", right=("replica", "for"))
        for agent, session in sessions:
            rows.add_row(*map(Text, _session(agent, session)))
        out.print(rows)
    for agent in found:
        for trouble in agent.troubles:
            wait = max(0, round(trouble.next_try_at - time.time()))
            say(out, f"{agent.agent_id}: {trouble.message} Tried again in {wait} s.", "yellow")
        for environment, problem in agent.unusable.items():
            say(out, f"{agent.agent_id}: environment {environment} cannot be used: {problem}", "yellow")


def _devices(agent: "AgentInfo") -> str:
    """Each device with its index, and whether it is taken."""
    taken = {uuid for session in agent.sessions for uuid in session.devices}
    return (
        "\n".join(
            f"{device.index}: {device.name} {device.memory_gib:.4g} GiB{' (taken)' if device.uuid in taken else ''}"
            for device in agent.devices
        )
        or "none"
    )


def _session(agent: "AgentInfo", session: "SessionInfo") -> tuple[str, ...]:
    from vhb.display import duration

    indices = [str(device.index) for device in agent.devices if device.uuid in session.devices]
    doing = session.detail if session.state == "starting" else f"{session.concurrency} requests at once"
    return (
        session.model,
        agent.agent_id,
        str(session.replica),
        session.state,
        duration(max(0.0, time.time() - session.since)),
        ", ".join(indices) or "-",
        doing if session.state != "idle" else "",
    )
