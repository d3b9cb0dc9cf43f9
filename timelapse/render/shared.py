"""Things that several threads want: each is made once, by whoever asks first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Shared(Generic[Thing]):
    """Things by number, each made when it is first asked for, and let go when all who count on it
    have had it.

    `make` is called in the thread of whoever asks first; others wait for it.  What it raises, they
    all get.
    """

    def __init__(
        self,
        make: Callable[[int], Thing],
        wanted: Iterable[int],
        let_go: Callable[[Thing], None] = lambda _: None,
    ) -> None:
        """`wanted` has each number as often as it will be `had`."""
        self._make, self._let_go = make, let_go
        self._left = Counter(wanted)
        self._made: dict[int, Future[Thing]] = {}
        self._lock = Lock()

    def get(self, number: int) -> Thing:
        with self._lock:
            there = self._made.get(number)
            made = there or self._made.setdefault(number, Future())
        if there is None:
            try:
                made.set_result(self._make(number))
            except BaseException as error:
                made.set_exception(error)
        return made.result()

    def had(self, number: int) -> None:
        """Somebody who counted on it needs it no more."""
        with self._lock:
            self._left[number] -= 1
            made = None if self._left[number] > 0 else self._made.pop(number, None)
        if made is not None and made.exception() is None:
            self._let_go(made.result())
