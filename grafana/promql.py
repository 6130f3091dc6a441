"""
PromQL expressions that the panels are built from.

A counter's series first appears at its current count, not at 0, and programs that add
marks often do so only once, when they start. rate() and increase() miss those first
calls, because both need an earlier sample. Therefore per_second() and
increase_in_range() count a series that is new from 0.
"""

from __future__ import annotations

from textwrap import indent


# Label matchers for the dashboard's variables. "All" expands to every exporter for job
# and instance, so other targets of Prometheus never match. For comm and mark_type "All"
# matches any value, including an empty or absent label.
HOST_MATCHERS = 'job=~"$job",instance=~"$instance"'
CALLER_MATCHERS = f'{HOST_MATCHERS},comm=~"$comm"'
MARK_MATCHERS = f'{CALLER_MATCHERS},mark_type=~"$mark_type"'

# Present only if the exporter's last scan for groups succeeded.
LAST_SCAN = f"fanotify_exporter_groups_last_scan_timestamp_seconds{{{HOST_MATCHERS}}}"
# Present while the exporter's permission programs count.
PERMISSION_START = (
    "fanotify_exporter_counting_start_time_seconds"
    f'{{{HOST_MATCHERS},programs="permission"}}'
)
# Present as long as Prometheus can scrape the exporter.
BUILD_INFO = f"fanotify_exporter_build_info{{{HOST_MATCHERS}}}"


def select(family: str, matchers: str, *more: str) -> str:
    """Return a selector for the series of *family* that match all matchers."""
    return f"{family}{{{','.join((matchers, *more))}}}"


def per_second(series: str) -> str:
    """
    Return the rate of each counter in *series*, for a graph over time.

    A series that did not exist one interval ago counts from 0 if the exporter was
    scraped at that time. If the exporter was not scraped, the age of the calls is
    unknown, and the series has no rate yet.
    """
    return f"""\
(
  {series}
  unless {series} offset $__rate_interval
  and on (job, instance) fanotify_exporter_build_info offset $__rate_interval
) * 1000 / $__rate_interval_ms
or
rate({series}[$__rate_interval])"""


def increase_in_range(series: str) -> str:
    """
    Return the increase of each counter in *series* over the dashboard's time range.

    The result is exact: the last value minus the value at the start of the range, where
    up to 5 minutes of missed scrapes are tolerated. Only a counter that was reset, by a
    restart of its exporter, gets the estimate of increase().
    """
    return f"""\
round(increase({series}[$__range])) and resets({series}[$__range]) > 0
or
last_over_time({series}[$__range]) - last_over_time({series}[5m] offset $__range) >= 0
or
last_over_time({series}[$__range])"""


def sum_by(expression: str, labels: str = "") -> str:
    """Return the sum of *expression* for each combination of *labels*."""
    return _aggregate(f"sum by ({labels})" if labels else "sum", expression)


def max_by(expression: str, labels: str = "") -> str:
    """Return the maximum of *expression* for each combination of *labels*."""
    return _aggregate(f"max by ({labels})" if labels else "max", expression)


def quantile(share: float, buckets: str) -> str:
    """Return the quantile *share*, 0 to 1, of *buckets* with the label le."""
    return f"histogram_quantile(\n  {share},\n{indent(buckets, '  ')}\n)"


def name_missing_errno(expression: str) -> str:
    """Return *expression* with "not known" for an empty errno (the map was full)."""
    return f'label_replace({expression}, "errno", "not known", "errno", "")'


def top(number: int, expression: str) -> str:
    """Return the *number* largest values of *expression*."""
    return f"topk({number},\n{indent(expression, '  ')}\n)"


def top_nonzero(number: int, expression: str) -> str:
    """Return the *number* largest values of *expression* that are above 0."""
    return top(number, f"{expression} > 0")


def or_zero(expression: str, present: str) -> str:
    """
    Return *expression*, or 0 if *expression* is empty and *present* is not.

    Args:
        expression: has no series when there is nothing to count.
        present: series that show that *expression* would have been measured.
    """
    return f"{expression}\nor\n0 * max({present})"


def _aggregate(operator: str, expression: str) -> str:
    return f"{operator} (\n{indent(expression, '  ')}\n)"
