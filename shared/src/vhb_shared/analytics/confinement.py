"""What the kernel keeps the engine's process from: memory without bound, files written, hours of computing."""

import ctypes
import os
import resource

MIB = 1 << 20
_BASE_MIB = 256
"""What the process takes beside the engine's memory: Python, code, stacks, a batch of rows on its way out."""
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_NO_NEW_PRIVS = 38
_WRITES = (1 << 1) | sum(1 << bit for bit in range(4, 13))
"""Landlock's rights to write, remove and make files and folders."""
_REFER, _TRUNCATE = 1 << 13, 1 << 14


def confine(memory_mib: int, cpu_s: int) -> bool:
    """Bounds this process for good.

    Args:
        memory_mib: what the engine may take; allocations beyond it fail.
        cpu_s: seconds of all threads together after which the kernel ends the process, should nobody else.

    Returns:
        Whether it can change no file any more; False where the kernel has no Landlock: nothing can grow then.
    """
    data = (memory_mib + _BASE_MIB) * MIB
    resource.setrlimit(resource.RLIMIT_DATA, (data, data))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    return _no_writes()


def _no_writes() -> bool:
    """A Landlock ruleset that handles every right to write, and grants none."""
    system = ctypes.CDLL(None, use_errno=True)
    version = system.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if version < 1:
        return False
    rights = _WRITES | (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
    attributes = ctypes.c_uint64(rights)
    ruleset = system.syscall(
        _CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(ctypes.sizeof(attributes)), ctypes.c_uint32(0)
    )
    if ruleset < 0:
        return False
    try:
        if system.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            return False
        return bool(system.syscall(_RESTRICT_SELF, ruleset, ctypes.c_uint32(0)) == 0) and version >= 3
    finally:
        os.close(ruleset)
