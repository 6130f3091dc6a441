"""The figures about inotify in one scrape."""

from __future__ import annotations

from fanotify_exporter.landing.family_index import FamilyIndex, share, top
from fanotify_exporter.landing.summary import (
    INSTANCE_LIMIT,
    WATCH_LIMIT,
    InotifyFigures,
    InotifyOwner,
    InotifyUser,
)


def inotify_figures(index: FamilyIndex) -> InotifyFigures:
    """Return the figures; with container labels, sums over the containers."""
    limits = index.values((INSTANCE_LIMIT, WATCH_LIMIT))
    instances = index.sums("inotify_instances", "comm")
    watches = index.sums("inotify_watches", "comm")

    def share_of_a_limit(each: InotifyOwner) -> float:
        return max(
            share(each.instances, limits.get(INSTANCE_LIMIT)),
            share(each.watches, limits.get(WATCH_LIMIT)),
        )

    owners = [
        InotifyOwner(comm, number, watches.get(comm, 0))
        for comm, number in instances.items()
    ]
    user_instances = index.sums("inotify_user_instances", "uid")
    user_watches = index.sums("inotify_user_watches", "uid")
    users = [
        InotifyUser(
            uid,
            number,
            user_watches.get(uid, 0),
            share(number, limits.get(INSTANCE_LIMIT)),
            share(user_watches.get(uid, 0), limits.get(WATCH_LIMIT)),
        )
        for uid, number in user_instances.items()
        # Another uid is the sum of many users, and the limits are for one user.
        if uid.isdecimal()
    ]
    return InotifyFigures(
        owners=top(
            owners,
            lambda each: (share_of_a_limit(each), each.watches, each.instances),
        ),
        users=top(
            users,
            lambda each: (
                max(each.share_of_instances, each.share_of_watches),
                each.watches,
                each.instances,
            ),
        ),
        limits=limits,
    )
