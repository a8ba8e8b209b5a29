"""What the entry says is in what is started, whatever the adapter."""

from vhb_inference_agent.launching import complete
from vhb_shared.contracts.job import ModelEntry, Mount, Resources
from vhb_shared.environments.base import EnvironmentSpec
from vhb_shared.placement.room import Lease

ADAPTERS = EnvironmentSpec(
    name="engine",
    env={"CACHE": "/cache", "MODE": "fast"},
    pass_env=("HF_TOKEN",),
    mounts=(Mount(source="/weights", target="/weights"), Mount(source="/own", target="/data")),
    devices=("GPU-not-leased",),
    memory_bytes=1 << 30,
    shm_bytes=1 << 20,
    cpus=2,
)


def test_the_entry_wins_where_both_speak() -> None:
    entry = ModelEntry(
        name="m",
        env={"MODE": "slow", "EXTRA": "1"},
        pass_env=("KEY", "HF_TOKEN"),
        mounts=(Mount(source="/theirs", target="/data"),),
        resources=Resources(gpus=2, memory_gib=2, cpus=1.5, shm_gib=0.5),
    )
    spec = complete(ADAPTERS, entry, Lease(place="devices", devices=("GPU-1", "GPU-2")))
    assert spec.env == {"CACHE": "/cache", "MODE": "slow", "EXTRA": "1"}
    assert spec.pass_env == ("HF_TOKEN", "KEY")
    assert [(mount.source, mount.target) for mount in spec.mounts] == [("/weights", "/weights"), ("/theirs", "/data")]
    assert spec.devices == ("GPU-1", "GPU-2")
    assert (spec.memory_bytes, spec.cpus, spec.shm_bytes) == (2 << 30, 1.5, 1 << 29)


def test_the_adapters_defaults_stay_where_the_entry_is_silent() -> None:
    spec = complete(ADAPTERS, ModelEntry(name="m"))
    assert spec == ADAPTERS.model_copy(update={"devices": ()}), "and no device without a lease"
