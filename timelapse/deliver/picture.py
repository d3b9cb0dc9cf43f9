"""Single frames as picture files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import EncodeError

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg")


def write_picture(path: Path, frame: NDArray[np.uint8]) -> None:
    """Writes an RGB frame (H x W x 3, uint8) as PNG or JPEG, by the ending of `path`.

    Raises EncodeError; a file that was there stays as it was then.
    """
    import imageio.v3 as iio

    if path.suffix.lower() not in PICTURE_ENDINGS:
        raise EncodeError(f"{path}: a frame goes into {', '.join(PICTURE_ENDINGS)}")
    part = path.with_name(f".{path.name}.part")
    options: dict[str, Any] = {} if path.suffix.lower() == ".png" else {"quality": 95}
    try:
        iio.imwrite(part, frame, plugin="pillow", extension=path.suffix.lower(), **options)
        part.replace(path)
    except OSError as error:
        raise EncodeError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
