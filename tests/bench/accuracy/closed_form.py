"""What loss does to somebody who looks at one screen, derived from the design's rule. PURE.

A device goes offline once log time reaches its last sign of life + T (``offline_after``); what
comes in the very record that reaches it is too late, because deadlines come before events. Beats
come every h seconds, so between a beat that arrived and its deadline there are the beats at h, 2h,
… below T: k = ⌈T ÷ h⌉ - 1 of them. With all k lost, and only then, somebody is shown offline who is
there. (⌊T ÷ h⌋, but where h divides T.)

**Calls, each lost by itself with the chance p.** An episode is a beat that arrived and then k lost
ones: (1 - p)·pᵏ a beat. If l ≥ k are lost in a row, it lasts (l + 1)·h - T. Summed over all l:
pᵏ·((1 - p)·(k + 1 - T ÷ h) + p) of the time is offline.

**Calls in bad stretches** (the two states of Gilbert and Elliott): a stretch lasts B on average,
nothing arrives in it, and p of the time is bad; good ones last B·(1 - p) ÷ p. From one beat to the
next a bad state stays bad with p + (1 - p)·ρ and a good one turns bad with p·(1 - ρ), where
ρ = e^(-h·(1 ÷ B + 1 ÷ good)). Episodes a beat: (1 - p)·p·(1 - ρ)·(p + (1 - p)·ρ)ᵏ⁻¹.

**Sockets.** TCP sends again what was lost: 1, 3, 7, 15, 31, 63 s after the first copy (RFC 6298's
least and doubled time-out). A silent client is pinged after P, lost after another W, and shown
offline G (``disconnect_grace``) later, unless it has connected anew. With P = W = G = 30 s that
takes a ping of which the copies at 0, 1, 3, 7 and 15 s were lost, and the one at 31 s too, with
which the client would have learned that its socket is closed. Each by itself: p⁶ a ping. In bad
stretches: one that begins u after the last pong, u even in [0, P], and lasts at least P - u + 31 s.
Both are first orders: they leave out what else a bad network delays.
"""

from __future__ import annotations

import math
from typing import Final

#: The copy of a ping with which a client learns in time that its socket was closed.
LAST_COPY_SECONDS: Final = 31.0
COPIES: Final = 6


def beats_to_lose(offline_after: float, interval: float) -> int:
    """k. ``offline_after`` and ``interval`` in seconds."""
    return max(0, math.ceil(offline_after / interval) - 1)


def episodes_an_hour(loss: float, interval: float, offline_after: float) -> float:
    """Calls that are lost each by itself."""
    k = beats_to_lose(offline_after, interval)
    return 3600 / interval * (1 - loss) * loss**k


def share_offline(loss: float, interval: float, offline_after: float) -> float:
    """Of the time, with calls that are lost each by itself."""
    k = beats_to_lose(offline_after, interval)
    return loss**k * ((1 - loss) * (k + 1 - offline_after / interval) + loss)


def episodes_an_hour_in_bursts(
    loss: float, burst: float, interval: float, offline_after: float
) -> float:
    """Calls over a path that is bad for ``burst`` seconds on average."""
    k = beats_to_lose(offline_after, interval)
    good = burst * (1 - loss) / loss
    memory = math.exp(-interval * (1 / burst + 1 / good))
    stays_bad = loss + (1 - loss) * memory
    turns_bad = loss * (1 - memory)
    if k == 0:
        return 3600 / interval
    return 3600 / interval * (1 - loss) * turns_bad * stays_bad ** (k - 1)


def socket_episodes_an_hour(loss: float, ping: float) -> float:
    """A socket that is pinged every ``ping`` seconds, packets lost each by itself."""
    return 3600 / ping * loss**COPIES


def socket_episodes_an_hour_in_bursts(loss: float, burst: float, ping: float) -> float:
    """A socket over a path that is bad for ``burst`` seconds on average."""
    bursts = 3600 * loss / burst
    least, most = LAST_COPY_SECONDS, LAST_COPY_SECONDS + ping
    return bursts * burst / ping * (math.exp(-least / burst) - math.exp(-most / burst))
