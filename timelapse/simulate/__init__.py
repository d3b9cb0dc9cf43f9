"""A Cupola camera that photographs the Progress MS-10 launch, for tests, demos and benchmarks.

`simulate` writes a roll of stills whose truth is known: when each was really taken, where the
rocket is in it, how much it flickers, which pixels are hot, and what is wrong with the roll.

* `geometry`  the Earth, the Station, the camera's attitude
* `rocket`    the ascent of Soyuz-FG, its plume, and what it drops
* `sky`, `ground`  stars, airglow and limb; cities, roads and clouds
* `camera`    optics, noise, JPEG, EXIF
* `taking`    the stills themselves, drawn and written in several processes
* `roll`      capture times, faults and truth
"""

from timelapse.simulate.camera import Sensor
from timelapse.simulate.roll import simulate

__all__ = ["Sensor", "simulate"]
