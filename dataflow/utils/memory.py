"""Keeps a process that handles megabyte buffers from growing with the number of its threads."""

import ctypes
import functools
import platform

_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_LARGE = 256 << 10  # bytes


@functools.cache
def return_large_buffers() -> None:
    """Have glibc give large buffers back to the system at once, and keep one heap for all threads.

    Left alone, every thread keeps pieces of its own, and the bound for giving back rises to 32 MiB at the first large
    free. Of 500 replies of 1.5 MB, 64 in flight, the peak is then 470 MB with one heap and still grows; with the
    bound fixed it stays at 180 MB, for 34 instead of 26 ms of CPU an image, and for 42 ms with a heap per thread
    (benchmarks/api_editing.py, one run each, November 2026). Other C libraries are left as they are.

    Source: mallopt(3).
    """
    if platform.libc_ver()[0] == "glibc":
        tell = ctypes.CDLL(None).mallopt
        tell(_M_ARENA_MAX, 1)
        tell(_M_MMAP_THRESHOLD, _LARGE)
