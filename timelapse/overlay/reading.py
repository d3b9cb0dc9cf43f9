"""How long a text takes to be read."""

from __future__ import annotations

import re
from fractions import Fraction

#: Words a second: subtitles are read at 160 to 180 words a minute (BBC Subtitle Guidelines, 2024).
_WORDS = 3
#: Ideographs and kana a second (Netflix Timed Text Style Guide, Japanese).
_IDEOGRAPHS = 4
_IDEOGRAPH = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af]")


def reading_time(text: str) -> Fraction:
    """Seconds that most people need for a text; no less than one."""
    ideographs = len(_IDEOGRAPH.findall(text))
    words = len(_IDEOGRAPH.sub(" ", text).split())
    return max(Fraction(1), Fraction(words, _WORDS) + Fraction(ideographs, _IDEOGRAPHS))
