"""Plain reasons out of an engine's last log lines: patterns as data, the most telling one first.

A log is untrusted text: what is quoted from it is bounded, and nothing in it is evaluated.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from vhb_shared.contracts.events import Failure
from vhb_shared.contracts.job import ModelEntry

_LINE_CHARS = 2000
_QUOTED_CHARS = 200


@dataclass(frozen=True)
class Reason:
    """What a log line means. `pattern` is searched in one line at a time, without regard to case."""

    kind: str
    pattern: str
    sentence: str
    """May hold {model}, {name}, and the pattern's named groups; says what to do."""
    retryable: bool = False
    regex: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "regex", re.compile(self.pattern, re.IGNORECASE))


COMMON: tuple[Reason, ...] = (
    Reason(
        "model_gated",
        r"gated repo|access to model .{1,200} is restricted|awaiting a review from the repo authors",
        "the model is gated: accept its licence on its page, put a token into HF_TOKEN where the agent runs, and name "
        "it in `pass_env: [HF_TOKEN]`",
    ),
    Reason(
        "model_gated",
        r"(?:401|403) client error|invalid user ?(?:name or password|token)|invalid credentials in authorization",
        "the model hub refuses access: put a valid token into HF_TOKEN where the agent runs and name it in "
        "`pass_env: [HF_TOKEN]`",
    ),
    Reason(
        "model_missing",
        r"(?:revisionnotfounderror|is not a valid git identifier)",
        "the model has no such revision; correct `revision`",
    ),
    Reason(
        "model_missing",
        r"repositorynotfounderror|404 client error|is not a local folder and is not a valid model identifier",
        "no such model on the hub; correct `model`, or give the absolute path of a folder",
    ),
    Reason(
        "model_missing",
        r"localentrynotfounderror|offlinemodeisenabled|outgoing traffic has been disabled|"
        r"cannot find the requested files in the (?:disk|local) cache|couldn't find them in the cached files",
        "the model is not in the cache of this host and the hub was not asked or did not answer; fetch it there "
        "first, or give `model` the absolute path of a folder",
    ),
    Reason(
        "model_missing",
        r"hfvalidationerror|repo id must (?:be|use)|does not appear to have a file named (?P<file>[\w.-]{1,80})|"
        r"cannot find any model weights|error no file named (?P<weights>[\w.-]{1,80})",
        "the model's folder is missing or incomplete on this host; check `model` and the folder's files",
    ),
    Reason(
        "unsupported_model",
        r"model architectures? .{1,200} (?:is|are) not supported|unsupported architecture|"
        r"does not recognize this architecture|has no \w+ implementation",
        "the engine does not know this model's architecture; take a newer engine (`image`) or another model",
    ),
    Reason(
        "unsupported_model",
        r"trust_remote_code=true|requires you to execute (?:the|a) (?:configuration file|custom)|contains custom code",
        "the model brings code of its own; read it, then allow it with `engine_args: {{trust-remote-code: true}}`",
    ),
    Reason(
        "shm_too_small",
        r"no space left on device.{0,80}(?:shm|psm_)|(?:shm|psm_).{0,80}no space left on device|bus error|"
        r"not enough (?:space in |)/dev/shm|insufficient shared memory|"
        r"unable to allocate shared memory|insufficient space in /dev/shm",
        "its shared memory is too small; raise `resources: {{shm_gib: ...}}`",
    ),
    Reason(
        "wrong_gpu",
        r"driver (?:on your system |version |)is (?:too old|insufficient)|unsupported display driver",
        "the host's NVIDIA driver is too old for this engine; update it, or take an older `image`",
    ),
    Reason(
        "wrong_gpu",
        r"no kernel image is available|compute capability|not compatible with the current pytorch installation|"
        r"bfloat16 is only supported on gpus",
        "this GPU is not supported by the engine or by the model's number format; use another GPU, or set "
        "`engine_args: {{dtype: half}}`",
    ),
    Reason(
        "wrong_gpu",
        r"no cuda gpus are available|found no nvidia driver|failed to infer device type|no cuda-capable device|"
        r"libcuda\.so\.1: cannot open|no available (?:gpu|accelerator)|torch not compiled with cuda",
        "the engine sees no GPU; set `resources: {{gpus: 1}}`, and check the NVIDIA driver and the container runtime "
        "of the host",
    ),
    Reason(
        "out_of_memory",
        r"cuda out of memory|cuda error: out of memory|outofmemoryerror|hip out of memory|"
        r"cublas_status_alloc_failed",
        "the GPU's memory ran out; use a larger GPU, more of them (`resources: {{gpus: ...}}`), a shorter context, or "
        "a smaller or quantised model",
    ),
    Reason(
        "out_of_memory",
        r"\bmemoryerror\b|std::bad_alloc|cannot allocate memory|can't allocate memory|"
        r"defaultcpuallocator: not enough memory",
        "the host's memory ran out; free some, or raise `resources: {{memory_gib: ...}}`",
    ),
    Reason(
        "disk_full",
        r"no space left on device|disk quota exceeded",
        "a disk of the host is full (often: the cache of model weights); free some space",
        retryable=True,
    ),
    Reason(
        "bad_argument",
        r"error: unrecognized arguments: (?P<argument>.{1,200})",
        "the engine does not know {argument}; correct `engine_args`",
    ),
    Reason(
        "bad_argument",
        r"error: argument (?P<argument>.{1,300})",
        "an engine argument is wrong ({argument}); correct `engine_args`",
    ),
    Reason(
        "bad_argument",
        r"error: ambiguous option: (?P<argument>.{1,200})",
        "an engine argument is not clear ({argument}); write `engine_args` out in full",
    ),
    Reason(
        "port_taken",
        r"address already in use",
        "another program has taken its port; it will be tried again",
        retryable=True,
    ),
    Reason(
        "program_missing",
        r"no module named '?(?P<module>[\w.]{1,80})|command not found|executable file not found",
        "a program or module is missing where it runs; check `image`, `command` and `packages`",
    ),
)


def find_reason(engine: str, model: ModelEntry, lines: Sequence[str], own: Sequence[Reason] = ()) -> Failure | None:
    """The first reason, in the order of the table, that a line of the log gives; None where none does.

    Args:
        engine: The backend's name.
        model: The entry.
        lines: The end of the log, oldest first.
        own: What only this engine says; goes before what all say.
    """
    bounded = [line[:_LINE_CHARS] for line in lines]
    for reason in (*own, *COMMON):
        for line in reversed(bounded):
            if match := reason.regex.search(line):
                groups = {name: _short(value) for name, value in match.groupdict().items()}
                words = reason.sentence.format(model=model.served_model, name=model.name, **groups)
                message = f"The backend of {model.name} ({engine}) cannot run {model.served_model}: {words}."
                return Failure(kind=reason.kind, message=message, retryable=reason.retryable)
    return None


def _short(value: str | None) -> str:
    text = " ".join((value or "").split())
    return text if len(text) <= _QUOTED_CHARS else text[: _QUOTED_CHARS - 1] + "…"
