"""A roll looked at: bad stills are told, and kept, dropped or bridged as the policies say."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from timelapse.errors import RollError
from timelapse.ingest.bad import Flag, Kind, Policies, Policy, judge
from timelapse.ingest.look import Looks, look
from timelapse.ingest.still import LedgerEntry, Roll, Status

_BECOMES: dict[Policy, str] = {
    "keep": "",
    "drop": "dropped",
    "bridge": "its neighbours stand in for it",
}


@dataclass(frozen=True, eq=False)
class Inspection:
    """What a roll looks like, and the `roll` as it is to be used.

    `taken` is the roll as it was scanned: the rows of `looks` and the indices of `flags` are those
    of its stills.
    """

    roll: Roll
    taken: Roll
    looks: Looks
    flags: Mapping[int, Flag]


def inspect(
    roll: Roll,
    policies: Policies | None = None,
    *,
    damaged: bool = False,
    remember: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Inspection:
    """Looks at every still of a roll, and does with the bad ones as the policies say.

    No still that remains changes its capture time.  With `damaged`, JPEGs of which a part can be
    decoded are used.  `remember` is the name that the roll was scanned by; see `look`.
    Raises RollError where no still remains.
    """
    policies = policies or Policies()
    looks = look(roll, damaged=damaged, remember=remember, progress=progress)
    flags = judge(roll, looks, policies.thresholds)
    return Inspection(treated(roll, looks, flags, policies), roll, looks, flags)


def treated(roll: Roll, looks: Looks, flags: Mapping[int, Flag], policies: Policies) -> Roll:
    """The roll without the stills that are dropped, and with those that are bridged marked."""
    if not flags:
        return roll
    becomes = {at: policies.of(flag.kind) for at, flag in flags.items()}
    told = {str(roll.stills[at].file): (flag, becomes[at]) for at, flag in flags.items()}
    ledger = tuple(_entry(entry, *told[e]) if (e := entry.path) in told else entry
                   for entry in roll.ledger)  # fmt: skip
    kept = [at for at in range(len(roll.stills)) if becomes.get(at) != "drop"]
    bridged = tuple(at for at, still in enumerate(kept) if becomes.get(still) == "bridge")
    if len(kept) == len(bridged):
        raise RollError(
            f"none of {len(roll.stills)} stills is left: {'; '.join(_told(roll, flags, becomes))}"
        )
    stills = tuple(
        replace(roll.stills[at], damaged=True) if at in looks.damaged else roll.stills[at]
        for at in kept
    )
    warnings = (*roll.warnings, *_told(roll, flags, becomes))
    return replace(roll, stills=stills, ledger=ledger, bridged=bridged, warnings=warnings)


def _entry(entry: LedgerEntry, flag: Flag, policy: Policy) -> LedgerEntry:
    status = Status.USED if policy == "keep" else Status.EXCLUDED
    if flag.kind is Kind.UNREADABLE:
        status = Status.UNREADABLE
    words = str(flag) if flag.kind is not Kind.UNREADABLE else flag.reason
    reason = "; ".join(filter(None, (entry.reason, words, _BECOMES[policy])))
    return replace(entry, status=status, reason=reason)


def _told(roll: Roll, flags: Mapping[int, Flag], becomes: Mapping[int, Policy]) -> Iterator[str]:
    """A line for each kind of bad stills, and what becomes of them."""
    groups: dict[tuple[Kind, Policy], list[str]] = defaultdict(list)
    for at, flag in flags.items():
        groups[flag.kind, becomes[at]].append(roll.stills[at].name)
    for (kind, policy), names in groups.items():
        fate = {
            "keep": "used all the same; roll.bad says what is done with them",
            "drop": "dropped; what they leave may be gaps",
            "bridge": "bridged by their neighbours",
        }[policy]
        if kind is Kind.DAMAGED:
            fate = "used as far as they go, as roll.damaged says"
        listed = ", ".join(names[:3]) + ", ..." * (len(names) > 3)
        yield f"{len(names)} bad still{'s' * (len(names) != 1)} ({kind}) {fate}: {listed}"
