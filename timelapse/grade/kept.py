"""Where it is kept what was measured of a roll: it is not measured again."""

from __future__ import annotations

import hashlib
from pathlib import Path

from timelapse.storage import cache_folder


def kept_at(what: str, *basis: object) -> Path:
    """The file for what was measured on a basis, in the folder of caches; equal `repr`s are equal.

    `what` is how the name ends ("defects.npz").  Neither the file nor its folder need exist.
    """
    name = hashlib.blake2b(repr(basis).encode("utf-8", "surrogateescape"), digest_size=16)
    return cache_folder() / "grade" / f"{name.hexdigest()}.{what}"
