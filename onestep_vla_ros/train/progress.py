# SPDX-License-Identifier: Apache-2.0
"""What a run shows and leaves: a bar, log.csv and loss.png."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import tqdm
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from onestep_vla_ros.train.learner import Update

FIELDS = ("step", "elapsed_s", "loss", "held_out_loss", "norm", "rate", "samples_per_s")
"""Columns of log.csv; held_out_<task> and success_<task> of every task follow."""
STYLES = ("-", "--")
MARKED = 30
"""Fewer points than this are drawn as points too."""


class Progress:
    """Live bar and log of a run.

    Args:
        folder: Where log.csv and loss.png go.
        batch: Samples a step.
        max_steps: Length of the bar.
        step: Where a resumed run stands; later rows of an older log are dropped.
        tasks: What is learned.
    """

    def __init__(
        self, folder: Path, batch: int, max_steps: int, step: int, tasks: Sequence[str]
    ) -> None:
        self._folder, self._batch, self._tasks = folder, batch, tuple(tasks)
        self._fields = (
            *FIELDS,
            *(f"held_out_{task}" for task in tasks),
            *(f"success_{task}" for task in tasks),
        )
        rows = _read(folder / "log.csv", self._fields)
        self.rows = [row for row in rows if float(row["step"]) <= step]
        self._losses: list[float] = []
        self._last_elapsed_s: float | None = None
        self._bar = tqdm.tqdm(total=max_steps, initial=step, unit="step", mininterval=2.0)

    def update(self, update: Update) -> None:
        """Show one step."""
        if self._last_elapsed_s is None:
            self._last_elapsed_s = update.elapsed_s
        self._losses.append(update.loss)
        self._bar.update()
        if len(self._losses) % 20 == 0:
            recent = self._losses[-20:]
            self._bar.set_postfix(loss=f"{sum(recent) / len(recent):.4f}", **self._shown())

    def log(
        self,
        step: int,
        update: Update,
        held_out: Mapping[str, float],
        success: Mapping[str, float],
    ) -> None:
        """Add a row to log.csv: means since the last one.

        Args:
            step: Steps done.
            update: The last one.
            held_out: Held-out loss by task; tasks may be missing.
            success: Closed-loop success rate by task; tasks may be missing.
        """
        if not self._losses:
            return
        spent = update.elapsed_s - (self._last_elapsed_s or 0.0)
        speed = (len(self._losses) - 1) * self._batch / spent if spent > 0.0 else 0.0
        numbers = (
            step,
            update.elapsed_s,
            sum(self._losses) / len(self._losses),
            sum(held_out.values()) / len(held_out) if held_out else None,
            update.norm,
            update.rate,
            speed,
            *(held_out.get(task) for task in self._tasks),
            *(success.get(task) for task in self._tasks),
        )
        self.rows.append(
            {
                k: "" if n is None else f"{n:.6g}"
                for k, n in zip(self._fields, numbers, strict=True)
            }
        )
        self._losses, self._last_elapsed_s = [], None
        self._write()

    def close(self) -> None:
        """Close the bar and draw loss.png."""
        self._bar.close()
        if not self.rows:
            return
        has_success = any(self._points(f"success_{task}") for task in self._tasks)
        figure = Figure(figsize=(7, 7 if has_success else 4), layout="constrained")
        panels = figure.subplots(1 + has_success, squeeze=False)[:, 0]
        self._plot(panels[0], ("loss", "held_out_loss"), "black")
        panels[0].set(xlabel="step", ylabel="loss", yscale="log")
        if len(self._tasks) > 1:
            self._plot(panels[0], [f"held_out_{task}" for task in self._tasks])
        if has_success:
            self._plot(panels[1], [f"success_{task}" for task in self._tasks])
            panels[1].set(xlabel="step", ylabel="closed-loop success", ylim=(-0.02, 1.02))
        for axes in panels:
            axes.grid(visible=True, which="both", alpha=0.3)
            axes.legend()
        figure.savefig(self._folder / "loss.png", dpi=120)

    def _plot(self, axes: Axes, keys: Sequence[str], colour: str | None = None) -> None:
        for key, style in zip(keys, STYLES * len(keys), strict=False):
            if points := self._points(key):
                axes.plot(
                    *zip(*points, strict=True),
                    label=key.replace("_", " "),
                    color=colour,
                    linestyle=style if colour else "-",
                    marker="." if len(points) < MARKED else None,
                )

    def _points(self, key: str) -> list[tuple[float, float]]:
        """Return (step, value) of the rows that have a value."""
        return [(float(r["step"]), float(r[key])) for r in self.rows if r[key]]

    def _shown(self) -> dict[str, str]:
        if not self.rows:
            return {}
        last = self.rows[-1]
        return {"held_out": last["held_out_loss"], "samples_s": last["samples_per_s"]}

    def _write(self) -> None:
        partial = self._folder / "log.csv.partial"
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._fields)
            writer.writeheader()
            writer.writerows(self.rows)
        os.replace(partial, self._folder / "log.csv")


def _read(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Return the rows of a log that has these columns, else none."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row for row in rows if tuple(row) == columns]
