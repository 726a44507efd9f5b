# SPDX-License-Identifier: Apache-2.0
"""What a run shows and leaves: a bar, log.csv and loss.png."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import tqdm
from matplotlib.figure import Figure

from onestep_vla_ros.train.learner import Update

FIELDS = ("step", "elapsed_s", "loss", "held_out_loss", "norm", "rate", "samples_per_s")


class Progress:
    """Live bar and log of a run.

    Args:
        folder: Where log.csv and loss.png go.
        batch: Samples a step.
        max_steps: Length of the bar.
        step: Where a resumed run stands; later rows of an older log are dropped.
    """

    def __init__(self, folder: Path, batch: int, max_steps: int, step: int) -> None:
        self._folder, self._batch = folder, batch
        self.rows = [row for row in _read(folder / "log.csv") if float(row["step"]) <= step]
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

    def log(self, step: int, update: Update, held_out_loss: float | None) -> None:
        """Add a row to log.csv: means since the last one."""
        if not self._losses:
            return
        spent = update.elapsed_s - (self._last_elapsed_s or 0.0)
        speed = (len(self._losses) - 1) * self._batch / spent if spent > 0.0 else 0.0
        numbers = (
            step,
            update.elapsed_s,
            sum(self._losses) / len(self._losses),
            held_out_loss,
            update.norm,
            update.rate,
            speed,
        )
        self.rows.append(
            {k: "" if n is None else f"{n:.6g}" for k, n in zip(FIELDS, numbers, strict=True)}
        )
        self._losses, self._last_elapsed_s = [], None
        self._write()

    def close(self) -> None:
        """Close the bar and draw loss.png."""
        self._bar.close()
        if not self.rows:
            return
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.add_subplot()
        for key in ("loss", "held_out_loss"):
            points = [(float(r["step"]), float(r[key])) for r in self.rows if r[key]]
            if points:
                axes.plot(*zip(*points, strict=True), label=key.replace("_", " "))
        axes.set(xlabel="step", ylabel="velocity loss", yscale="log")
        axes.grid(visible=True, which="both", alpha=0.3)
        axes.legend()
        figure.savefig(self._folder / "loss.png", dpi=120)

    def _shown(self) -> dict[str, str]:
        if not self.rows:
            return {}
        last = self.rows[-1]
        return {"held_out": last["held_out_loss"], "samples_s": last["samples_per_s"]}

    def _write(self) -> None:
        partial = self._folder / "log.csv.partial"
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows(self.rows)
        os.replace(partial, self._folder / "log.csv")


def _read(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row for row in rows if tuple(row) == FIELDS]
