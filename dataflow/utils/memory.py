"""Keeps a process that handles megabyte buffers from holding on to them."""

import ctypes
import functools
import platform

_M_MMAP_THRESHOLD = -3
_LARGE = 256 << 10


@functools.cache
def return_large_buffers() -> None:
    """Have glibc give buffers from 256 KiB on back to the system as soon as they are freed.

    Left alone it raises that bound to 32 MiB at the first large free and keeps the pieces: 200 replies of
    1.5 MB then peak 240 MB above 50 of them, with the bound fixed 10 MB (measured with
    benchmarks/api_editing.py). Other C libraries are left as they are.

    Source: mallopt(3), M_MMAP_THRESHOLD.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
