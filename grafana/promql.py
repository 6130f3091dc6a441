"""
The PromQL that panels are made of.

A counter's series appears with its first call, at its count and not at 0, and programs
that put marks often do so once, when they start. rate() and increase() see nothing of
that: they need an earlier value. So both ways to count here take a series that is new
from 0.
"""

from __future__ import annotations

from textwrap import indent


HOST = 'job=~"$job",instance=~"$instance"'
CALLER = f'{HOST},comm=~"$comm"'
MARK = f'{CALLER},mark_type=~"$mark_type"'
"""
What the variables at the top of the dashboard select.

All is for job and instance every exporter, and nothing else that Prometheus scrapes;
for comm and mark_type it is anything, also an empty label or none.
"""

SCANNED = f"fanotify_exporter_groups_last_scan_timestamp_seconds{{{HOST}}}"
"""Is there only if the last look for groups succeeded."""
RUNS = f"fanotify_exporter_build_info{{{HOST}}}"


def select(family: str, matchers: str, *more: str) -> str:
    """Return a selector of the series of *family*."""
    return f"{family}{{{','.join((matchers, *more))}}}"


def per_second(series: str) -> str:
    """
    Return the rate of each counter in *series*, to be drawn over time.

    A series that was not there an interval ago counts from 0, if the exporter was
    scraped then; else one cannot know how old its calls are.
    """
    return f"""\
(
  {series}
  unless {series} offset $__rate_interval
  and on (job, instance) fanotify_exporter_build_info offset $__rate_interval
) * 1000 / $__rate_interval_ms
or
rate({series}[$__rate_interval])"""


def counted(series: str) -> str:
    """
    Return how far each counter in *series* went up in the dashboard's time range.

    To the call: what it is less what it was when the range began, 5 minutes of missed
    scrapes allowed for. Only for one that began anew, with its exporter, it is what
    increase() guesses.
    """
    return f"""\
round(increase({series}[$__range])) and resets({series}[$__range]) > 0
or
last_over_time({series}[$__range]) - last_over_time({series}[5m] offset $__range) >= 0
or
last_over_time({series}[$__range])"""


def total(expression: str, by: str = "") -> str:
    """Return the sum of *expression*, for each value of the labels *by*."""
    return _aggregate(f"sum by ({by})" if by else "sum", expression)


def most(expression: str, by: str = "") -> str:
    """Return the largest value of *expression*, for each value of the labels *by*."""
    return _aggregate(f"max by ({by})" if by else "max", expression)


def with_errno(expression: str) -> str:
    """Return *expression* with a word for the errno that is unknown: map full."""
    return f'label_replace({expression}, "errno", "not known", "errno", "")'


def top(number: int, expression: str) -> str:
    """Return the *number* largest values of *expression*."""
    return f"topk({number},\n{indent(expression, '  ')}\n)"


def busiest(number: int, expression: str) -> str:
    """Return the *number* largest values of *expression* above 0."""
    return top(number, f"{expression} > 0")


def or_zero(expression: str, witness: str) -> str:
    """Return *expression*, or 0 if that is empty and *witness* proves it should be."""
    return f"{expression}\nor\n0 * max({witness})"


def _aggregate(operator: str, expression: str) -> str:
    return f"{operator} (\n{indent(expression, '  ')}\n)"
