"""Keeps the memory of a process from growing with its threads where each handles buffers of megabytes."""

import ctypes
import functools
import platform

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_LARGE = 4 << 20  # bytes: more than a reply with a picture of a megapixel, whose memory is soon used again
_UNUSED = 16 << 20  # bytes at the heap's end that are kept


@functools.cache
def return_large_buffers() -> None:
    """Have glibc give the largest buffers back to the system at once, and use one heap for all threads.

    By default each thread has a heap of its own, and the size from which a buffer is given back rises to 32 MiB when
    the first large buffer is freed. With 100 replies of 1.76 MB in flight, memory then stayed at 232 MB above the
    start. With these settings it stayed at 187 MB up to the last of 2,500 replies, for 4 ms more of CPU for each
    picture, and 3 ms less than with a threshold of 256 KiB (benchmarks/api_cpu.py, November 2026). Other C libraries
    keep their settings.

    Source: mallopt(3).
    """
    if platform.libc_ver()[0] == "glibc":
        set_option = ctypes.CDLL(None).mallopt
        set_option(_M_ARENA_MAX, 1)
        set_option(_M_MMAP_THRESHOLD, _LARGE)
        set_option(_M_TRIM_THRESHOLD, _UNUSED)
