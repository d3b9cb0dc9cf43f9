"""What the machine gives: its cores, and memory that is used again.

A fresh array of a picture's size costs more than the arithmetic on it, because the system hands
out every page of it anew, and zeroed.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_M_MMAP_THRESHOLD = -3  # malloc.h of glibc


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def give_memory_back() -> None:
    """Returns freed memory to the system, and large blocks from now on as soon as they are freed.

    glibc by itself raises the size from which it does so with every block that it frees, up to
    32 MB.  What encoders leave behind is scattered then, and a long render grows by 15 MB a
    segment.  Where there is no glibc, nothing is done.
    """
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 20)
        libc.malloc_trim(0)


class Buffers:
    """Arrays by what they are used for; for one thread at a time."""

    def __init__(self) -> None:
        self._held: dict[str, NDArray[np.uint8]] = {}

    def take(self, use: str, shape: tuple[int, ...], dtype: DTypeLike = np.uint8) -> NDArray[Any]:
        """An array of any content.  It is the caller's until the same `use` is taken again."""
        size = prod(shape) * np.dtype(dtype).itemsize
        held = self._held.get(use)
        if held is None or held.size < size:
            held = self._held[use] = np.empty(size, np.uint8)
        return held[:size].view(dtype).reshape(shape)


def bands(height: int, width: int) -> tuple[slice, ...]:
    """The rows of a picture in bands of some 2 MB at 16 bits, which stay near the core while one
    step after another works on them; each of an even number of rows, but for the last of an odd
    height."""
    rows = max(2, (1 << 21) // (width * 6) // 2 * 2)
    return tuple(slice(at, min(at + rows, height)) for at in range(0, height, rows))


@contextmanager
def single_threaded_opencv() -> Iterator[None]:
    """OpenCV without threads of its own: for work that fills the cores with other threads."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
