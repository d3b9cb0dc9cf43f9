"""What can go wrong, as one tree.

::

    TimelapseError
    ├── ProjectError (ValueError)      the project file says something that cannot be meant
    │   └── TextError                  a text that no font at hand can draw
    ├── TimeError (ValueError)         a time that cannot be read, or fits in two ways
    ├── RollError (OSError)            no roll can be made of what was given
    │   └── StillError                 one still cannot be read
    ├── PlanError (ValueError)         the times, speeds and stills do not make a clip
    ├── RenderError (RuntimeError)     a render did not finish, or a film is not as planned
    └── EncodeError (RuntimeError)     the encoder or its file failed

A message says what, where, and what to do.  The library raises these and nothing of its own
besides; errors of other libraries are wrapped once, where the other library is called.
"""


class TimelapseError(Exception):
    """Every error that this package raises on purpose."""


class ProjectError(TimelapseError, ValueError):
    """The project file is not valid; the message has a line for each mistake."""


class TextError(ProjectError):
    """A text holds characters that no font at hand can draw; the message names them."""


class TimeError(TimelapseError, ValueError):
    """A written time cannot be read, does not fit the clip, or fits it in two ways."""


class RollError(TimelapseError, OSError):
    """The place named as a roll is missing, or holds no still that can be used."""


class StillError(RollError):
    """One still cannot be read; `path` names it."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type["StillError"], tuple[str, str]]:
        return StillError, (self.path, self.reason)


class PlanError(TimelapseError, ValueError):
    """The schedule cannot be made, or does not meet the roll."""


class RenderError(TimelapseError, RuntimeError):
    """A render could not be finished, or a finished film does not hold against its report."""


class EncodeError(TimelapseError, RuntimeError):
    """The encoder, the container or the disk refused."""
