"""Which member of the group has which partitions: within one of each other, with few moves.

Faust's assignor gives 12 partitions to five processors as 3, 3, 3, 2, 1 when a fifth joins four,
and moves partitions between those that stay. What it decides is overruled here; its protocol, name
and version stay, so that processors of earlier releases share a group with these: whoever leads
decides for all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from faust.assignor.client_assignment import ClientAssignment
from faust.assignor.partition_assignor import PartitionAssignor


def spread(partitions: int, held: Mapping[str, Collection[int]]) -> dict[str, list[int]]:
    """Partitions by member, from those that each one held.

    Each gets as many as any other, or one more; those that held most have the one more. Nobody
    gives away what they may keep.
    """
    least, one_more = divmod(partitions, len(held))
    owner: dict[int, str] = {}
    for member in sorted(held):
        for partition in held[member]:
            # Two say so where one was taken for dead.
            if partition < partitions:
                owner.setdefault(partition, member)
    kept: dict[str, list[int]] = {member: [] for member in sorted(held)}
    for partition, member in sorted(owner.items()):
        kept[member].append(partition)
    by_size = sorted(kept, key=lambda member: -len(kept[member]))
    shares = {member: least + (n < one_more) for n, member in enumerate(by_size)}
    given = {member: kept[member][: shares[member]] for member in by_size}
    free = sorted(set(range(partitions)).difference(*given.values()))
    for member, mine in given.items():
        wanted = shares[member] - len(mine)
        mine += free[:wanted]
        del free[:wanted]
    return given


class LevelAssignor(PartitionAssignor):
    """Faust's, with :func:`spread` for the last word on each topic."""

    _held: Mapping[str, ClientAssignment]

    def _perform_assignment(self, cluster: Any, member_metadata: Any) -> Any:
        self._held = {
            member: self._get_client_metadata(metadata).assignment
            for member, metadata in member_metadata.items()
        }
        return super()._perform_assignment(cluster, member_metadata)

    def _global_table_standby_assignments(
        self, assignments: Any, partitions_by_topic: Mapping[str, int]
    ) -> Any:
        # The last step before it is told to whom what was given; there are no tables of ours.
        for topic, partitions in partitions_by_topic.items():
            held = {
                member: self._held[member].actives.get(topic, ())
                for member, assignment in assignments.items()
                if topic in assignment.actives
            }
            for member, given in spread(partitions, held).items():
                assignments[member].actives[topic] = given
        return super()._global_table_standby_assignments(assignments, partitions_by_topic)
