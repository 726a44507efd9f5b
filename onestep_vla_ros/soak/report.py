# SPDX-License-Identifier: Apache-2.0
"""The soak's bar and how its figures are shown."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

SLOPE_BAR_MIB_H = 1.0
"""A process whose own memory grows as fast does not meet the bar [MiB/h].

Its own: the resident set without Fast DDS's shared memory, whose segments are of one size from
their start and of which a reader's resident set counts what it has read so far.
"""
JUDGED_FROM_S = 600.0
"""A slope over a shorter time says nothing about 1 MiB/h and is shown only [s]."""


def broken(figures: dict[str, Any]) -> list[str]:
    """Return in words every part of the bar that the figures do not meet."""
    found = [f"{n} violations of {name}" for name, n in figures["violations"].items()]
    if figures["lost_messages"]:
        found.append(f"{figures['lost_messages']} messages not judged")
    if figures["publishers"] > 1:
        found.append(f"{figures['publishers']} publishers on a controller's topic")
    for name, slope in figures["memory"].items():
        if slope["span_s"] >= JUDGED_FROM_S and slope["own_mib_h"] >= SLOPE_BAR_MIB_H:
            got = f"{slope['own_mib_h']:.2f} MiB/h (standard error {slope['error_mib_h']:.2f})"
            found.append(f"memory of {name} grows by {got}")
    for name, (threads, handles) in figures["growth_threads_handles"].items():
        if threads > 0 or handles > 0:
            found.append(f"{name} has {threads} threads and {handles} handles more than before")
    for what, left in figures["left"].items():
        if left:
            found.append(f"left behind, {what}: {left}")
    return found


def show(console: Console, figures: dict[str, Any]) -> None:
    """Print the figures as two tables and whether the bar held."""
    table = Table(show_header=False)
    for name, value in (
        ("time", f"{figures['wall_s'] / 60:.1f} min"),
        ("faults injected", f"{sum(figures['faults'].values())}: {figures['faults']}"),
        ("messages judged", figures["messages"]),
        ("joint samples at Tc", figures["joint_samples"]),
        ("violations on the wire", figures["violations"] or 0),
        ("ticks, missed", f"{figures['ticks']}, {figures['missed_ticks']}"),
        ("governor", f"{figures['governor_share_of_run']:.1%} of the ticks in RUN"),
        ("modes", str(figures["modes"])),
        ("left behind", str(figures["left"])),
    ):
        table.add_row(name, str(value))
    console.print(table)
    columns = ("process", "MiB", "shared", "own MiB/h", "error", "RSS MiB/h", "min", "thr", "fd")
    table = Table(*columns)
    for name, slope in figures["memory"].items():
        threads, handles = figures["growth_threads_handles"].get(name, ("", ""))
        table.add_row(
            name,
            f"{slope['rss_mib']:.1f}",
            f"{slope['shared_mib']:.1f}",
            f"{slope['own_mib_h']:+.2f}",
            f"{slope['error_mib_h']:.2f}",
            f"{slope['rss_mib_h']:+.2f}",
            f"{slope['span_s'] / 60:.1f}",
            *(f"{n:+d}" if n != "" else "" for n in (threads, handles)),
        )
    console.print(table)
    for line in figures["broken"]:
        console.print(f"bar missed: {line}", style="red", highlight=False)
    if not figures["broken"]:
        console.print("bar met")
