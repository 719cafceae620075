"""Groups of few users are not told apart, where ``ROLLCALL_MIN_GROUP_SIZE`` says so. PURE.

Of the groups of an answer those below the least size are merged into one, ``(suppressed)``. What is
told beside it, a total say, must not give it away: so it is of two groups or more, and of as many
users as the least size, the next smallest ones merged too until it is, or until none is left.
The views and the funnel have the same rule in SQL (``is_merged``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Final

from api.http.documents import Batches, Row, one_batch

#: What the merged group is called.
SUPPRESSED: Final = "(suppressed)"


def merged_places(sizes: Sequence[int], least: int) -> set[int]:
    """The places of the groups that are merged; of equals later ones first."""
    if not sizes or min(sizes) >= least:
        return set()
    merged: set[int] = set()
    users = 0
    for place in sorted(range(len(sizes)), key=lambda place: (sizes[place], -place)):
        if sizes[place] >= least and len(merged) >= 2 and users >= least:
            break
        merged.add(place)
        users += sizes[place]
    return merged


def suppress(
    rows: Sequence[Row],
    least: int,
    *,
    size: Callable[[Row], int],
    merge: Callable[[list[Row]], Row],
    within: Callable[[Row], Hashable] = lambda _: None,
) -> list[Row]:
    """An answer's rows, each a group, with those merged that are too small. ``within``: rows of one
    value are groups of the same people, as those of one bucket; merged ones come last."""
    parts: defaultdict[Hashable, list[Row]] = defaultdict(list)
    for row in rows:
        parts[within(row)].append(row)
    merged: list[list[Row]] = []
    for part in parts.values():
        places = merged_places([size(row) for row in part], least)
        if places:
            merged.append([part[place] for place in sorted(places)])
    gone = {id(row) for part in merged for row in part}
    return [*(row for row in rows if id(row) not in gone), *map(merge, merged)]


async def suppressed(
    batches: Batches, least: int, apply: Callable[[list[Row]], list[Row]]
) -> Batches:
    """Batches with ``apply`` done to all their rows together, if groups may be too small at all."""
    if least <= 1:
        async for batch in batches:
            yield batch
        return
    rows = [row async for batch in batches for row in batch]
    async for batch in one_batch(apply(rows)):
        yield batch


def added(rows: Iterable[Row], name: str) -> int | None:
    """A sum of what is counted; ``None`` if it is not known of all."""
    values = [row[name] for row in rows]
    return None if None in values else sum(values)
