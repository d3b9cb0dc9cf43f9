"""Embedding levels (UAX #9) from FriBidi, the library by which Pillow orders a line of one font.

Lines of several fonts are ordered by the same library, so that both kinds are read alike.
"""

from __future__ import annotations

import ctypes
from ctypes.util import find_library
from functools import cache

# As Pillow looks for it.
_NAMES = (
    "libfribidi.so",
    "libfribidi.so.0",
    "libfribidi.dylib",
    "fribidi",
    "fribidi-0",
    "libfribidi-0",
)
_LTR, _RTL = 0x110, 0x111  # FRIBIDI_PAR_LTR and FRIBIDI_PAR_RTL


@cache
def _library() -> ctypes.CDLL:
    for name in _NAMES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return ctypes.CDLL(find_library("fribidi") or _NAMES[0])


def levels(text: str, rtl: bool) -> list[int]:
    """The level of each character in a paragraph of that direction; odd ones run to the left.

    OSError where FriBidi (1.0 or later) cannot be loaded.
    """
    library, count = _library(), len(text)
    array = ctypes.c_uint32 * count
    chars, kinds, brackets = array(*map(ord, text)), array(), array()
    found, base = (ctypes.c_int8 * count)(), ctypes.c_uint32(_RTL if rtl else _LTR)
    try:
        library.fribidi_get_bidi_types(chars, count, kinds)
        library.fribidi_get_bracket_types(chars, count, kinds, brackets)
        settle = library.fribidi_get_par_embedding_levels_ex
    except AttributeError as error:
        raise OSError(f"FriBidi is older than 1.0 ({error})") from error
    if not settle(kinds, brackets, count, ctypes.byref(base), found):
        raise MemoryError("FriBidi found no levels")
    return list(found)
