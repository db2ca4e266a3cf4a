"""Large buffers go back to the system."""

import ctypes
import platform
from pathlib import Path

from dataflow.serving.api.http.memory import return_large_buffers

MIB = 1 << 20


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


def test_a_buffer_that_is_freed_leaves_the_process_also_after_a_larger_one() -> None:
    return_large_buffers()
    if platform.libc_ver()[0] != "glibc":
        return  # another C library keeps its settings
    c = ctypes.CDLL(None)
    c.malloc.restype, c.malloc.argtypes, c.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
    before = resident()
    for size in (31 * MIB, 30 * MIB):  # by itself glibc keeps what is smaller than a buffer that was freed before
        buffer = c.malloc(size)
        ctypes.memset(buffer, 1, size)
        assert resident() - before > 25 * MIB
        c.free(buffer)
    assert resident() - before < 10 * MIB
