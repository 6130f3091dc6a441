"""
Bounds on gauges by comm or uid.

An ordinary user chooses the names of own processes and, with a delegated cgroup, the
paths of own cgroups, and may have many user ids of a user namespace. A process with
CAP_SYS_ADMIN in the initial user namespace controls the host anyway, so its name,
cgroup and user need no bound.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from operator import add
from typing import Final

from prometheus_client.core import GaugeMetricFamily


# The value of comm or uid of all names that have no series of their own. A comm has at
# most 15 bytes, so no process can have this name.
TOO_MANY: Final = "[other: too many]"

# Series of names that an ordinary user chose, in each family.
MAX_SERIES: Final = 100

# The values of the labels that an ordinary user chooses: a uid alone, or a comm and,
# if gauges have them, the labels of the container.
Name = tuple[str, ...]

# Values by name and by the values of the other labels.
Values = Mapping[tuple[Name, tuple[str, ...]], float]

# Makes the value of several owners from two values: add or max.
Combine = Callable[[float, float], float]


def bound_series(values: Values, always: Collection[Name], combine: Combine) -> Values:
    """
    Return *values* with few enough series.

    Series of names in *always* stay. Of the other series the MAX_SERIES with the
    largest values stay. For each combination of the other labels, the values of the
    rest are combined under the name TOO_MANY, whose labels of the container are empty.
    """
    untrusted = [key for key in values if key[0] not in always]
    if len(untrusted) <= MAX_SERIES:
        return values
    untrusted.sort(key=lambda key: (-values[key], key))
    bounded = dict(values)
    for name, others in untrusted[MAX_SERIES:]:
        value = bounded.pop((name, others))
        key = (TOO_MANY, *[""] * (len(name) - 1)), others
        bounded[key] = combine(bounded[key], value) if key in bounded else value
    return bounded


class BoundedGauge:
    """A gauge family whose number of series is bounded."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        container: Sequence[str] = (),
        *,
        combine: Combine = add,
    ) -> None:
        """
        Start with no values.

        Args:
            labels: "comm" or "uid", and the labels that an ordinary user does not
                choose.
            container: the labels of the container, if the family has them.
            combine: makes one value of the values of several owners.
        """
        self._name = name
        self._documentation = documentation
        self._labels = (*labels, *container)
        self._combine = combine
        self._values: dict[tuple[Name, tuple[str, ...]], float] = {}

    def add(self, name: Name, value: float, *others: str) -> None:
        """
        Add the *value* of an owner.

        Args:
            name: the values of the first label and of the labels of the container.
            others: the values of the other labels.
        """
        key = name, others
        known = self._values
        known[key] = self._combine(known[key], value) if key in known else value

    def family(self, always: Collection[Name] = ()) -> GaugeMetricFamily:
        """Return the family; names in *always* have a series however many there are."""
        family = GaugeMetricFamily(self._name, self._documentation, labels=self._labels)
        bounded = bound_series(self._values, always, self._combine)
        for ((first, *container), others), value in bounded.items():
            family.add_metric((first, *others, *container), value)
        return family
