"""A commented starter project for a roll."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path

from timelapse.grade import natural_size
from timelapse.ingest import Roll
from timelapse.times import Seconds

#: A first clip of about this many seconds shows whether a roll is worth more work.
_COMFORTABLE_LENGTH = 30


def starter(source: str, roll: Roll, project: Path) -> str:
    """The text of a project file at `project` for the roll found at `source`."""
    where, home = source, project.parent.resolve()
    if not Path(source).is_absolute() or Path(source).is_relative_to(home):
        where = os.path.relpath(source, home)
    span = roll.end - roll.first
    speed = max(Fraction(1), Fraction(round(span / _COMFORTABLE_LENGTH)))
    size = natural_size(roll.sizes)
    epoch = roll.first.iso(3)
    middle = Seconds(round(span / 2))
    return f"""\
# {len(roll.stills)} stills, {roll.first.iso()} to {roll.last.iso()}, one every \
{float(roll.interval):g} s.
# Dry run:  timelapse plan {project.name}      Film:  timelapse render {project.name}
roll:
  stills: {json.dumps(Path(where).as_posix(), ensure_ascii=False)}    # a folder, glob, list or zip
  # clock: -13.0 s           # added to what the camera wrote: this one was 13 s fast
  # utc_offset: +02:00       # the camera's time zone, where its stills do not say

mission:
  name: ""                   # the film's title
  epoch: {epoch}    # where T+0 s is; here the first still

schedule:                    # one of speed, duration and speeds
  speed: {speed}x{" " * max(1, 19 - len(str(speed)))}# mission seconds per video second
  # duration: 90 s
  # speeds:                  # eased from key to key
  #   - {{at: T+0 s, speed: 8x}}
  #   - {{at: T+60 s, speed: 16x, ease: smooth}}
  # from: T+0 s
  # to: T+120 s

retime:
  blend: linear              # nearest, linear, or box with a shutter angle (shutter: 180)
  gaps: hold                 # hold the still before a gap, or blend across it

output:
  rate: 25
  size: {size}
  fit: pad                   # or crop
  # crf: 18                  # smaller is better and larger
  # preset: faster          # slower presets make smaller files

# grade:                     # what is done to the stills; nothing by itself
#   hot_pixels: auto         # hot and dead pixels are found, and mended
#   cosmic_rays: auto        # what hit the sensor in one still alone
#   deflicker: auto          # or a time: what takes less than 15 s is flicker
#   stabilise: auto          # a film that does not shake
#   denoise: auto            # by the stills before and after
#   sidecars: auto           # exposure and crop of XMP files beside the stills
#   tone: {{exposure: 0.3, temperature: 10}}

milestones: []
  # - {{at: T+{middle}, label: What happens here}}

overlays:
  - {{kind: clock, show: [met, utc, speed], place: top-left}}
  # - {{kind: credit, text: "Agency - Photographer"}}
"""
