"""What an entry asks of the place it runs in, added to what its adapter wants to run. In one place for all adapters."""

from vhb_shared.contracts.events import Failure
from vhb_shared.contracts.job import ModelEntry
from vhb_shared.environments.base import Environment, EnvironmentFailed, EnvironmentSpec
from vhb_shared.placement.room import Lease

_GIB = 2**30


def complete(spec: EnvironmentSpec, model: ModelEntry, lease: Lease | None = None) -> EnvironmentSpec:
    """The adapter's spec with the entry's variables, mounts and limits, and the devices that were leased.

    Where both say something the entry wins: it was written for this model on these hosts. Devices are the lease's
    alone; without one there are none.
    """
    wanted = model.resources
    targets = {mount.target for mount in model.mounts}
    return spec.model_copy(
        update={
            "env": {**spec.env, **model.env},
            "pass_env": tuple(dict.fromkeys((*spec.pass_env, *model.pass_env))),
            "mounts": (*(mount for mount in spec.mounts if mount.target not in targets), *model.mounts),
            "devices": lease.devices if lease is not None else (),
            "memory_bytes": _bytes(wanted.memory_gib) or spec.memory_bytes,
            "cpus": wanted.cpus or spec.cpus,
            "shm_bytes": _bytes(wanted.shm_gib) or spec.shm_bytes,
        }
    )


def fitted(spec: EnvironmentSpec, environment: Environment) -> EnvironmentSpec:
    """The spec without what the place cannot give and the program can do without.

    Raises:
        EnvironmentFailed: it needs a folder of this host, and the place shares no files with it.
    """
    can = environment.capabilities
    if can.local_files or can.mounts:
        return spec
    for mount in spec.mounts:
        if mount.target not in spec.caches:
            message = (
                f"{spec.name} needs {mount.source} of the agent's host, and environment {environment.name} shares no "
                "files with it: name a model on the hub, or an image that holds the folder, and remove `mounts`."
            )
            raise EnvironmentFailed(Failure(kind="environment_failed", message=message))
    return spec.model_copy(update={"mounts": ()})


def _bytes(gib: float | None) -> int | None:
    return None if gib is None else int(gib * _GIB)
