"""Keeps a process that handles megabyte buffers from growing with the number of its threads."""

import ctypes
import functools
import platform

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_LARGE = 4 << 20  # bytes: above a reply with a picture of a megapixel, whose memory is used again at once
_UNUSED = 16 << 20  # bytes


@functools.cache
def return_large_buffers() -> None:
    """Have glibc give the largest buffers back to the system at once, and keep one heap for all threads.

    Left alone, every thread keeps pieces of its own, and the bound for giving back rises to 32 MiB at the first large
    free. Of replies of 1.76 MB, 100 in flight, memory then stays at 232 MB above the start; with these bounds at 187
    to the last of 2,500, for 4 ms more of CPU an image, and 3 ms less than with a bound of 256 KiB
    (benchmarks/api_cpu.py, November 2026). Other C libraries are left as they are.

    Source: mallopt(3).
    """
    if platform.libc_ver()[0] == "glibc":
        tell = ctypes.CDLL(None).mallopt
        tell(_M_ARENA_MAX, 1)
        tell(_M_MMAP_THRESHOLD, _LARGE)
        tell(_M_TRIM_THRESHOLD, _UNUSED)
