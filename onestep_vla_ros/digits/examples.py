# SPDX-License-Identifier: Apache-2.0
"""A picture of what is learned: inputs of each task with what is right to say."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from matplotlib.figure import Figure

from onestep_vla_ros.digits.sources import TEST, Digits
from onestep_vla_ros.digits.tasks import (
    AMBIGUOUS,
    AMBIGUOUS_EDGE,
    BY_COLUMN,
    BY_ROW,
    CAMERA,
    EDGE,
    EITHER,
    GRID,
    Sample,
    Task,
)

COUNT = 16


def draw_examples(digits: Digits, path: Path) -> None:
    """Draw a grid, and of the ambiguous task one grid of each kind, with their answers."""
    device = torch.device("cpu")
    samples = {
        name: Task(name, digits, device, edge).sample(
            COUNT, TEST, torch.Generator().manual_seed(1)
        )
        for name, edge in ((GRID, EDGE), (AMBIGUOUS, AMBIGUOUS_EDGE))
    }
    both = samples[AMBIGUOUS]
    pixels = both.batch.images[CAMERA][:, 0]
    paper = pixels.amin(dim=(1, 2))
    shown = [
        (samples[GRID], 0, "grid: row by row"),
        (both, _first(paper == BY_ROW), "black paper: row by row"),
        (both, _first(paper == BY_COLUMN), "light paper: by column"),
        (both, _first(paper == EITHER), "grey paper: either"),
    ]
    figure = Figure(figsize=(10.4, 3.3), layout="constrained")
    for axes, (sample, i, words) in zip(figure.subplots(1, len(shown)), shown, strict=True):
        axes.imshow(sample.batch.images[CAMERA][i, 0].numpy(), cmap="gray", vmin=0, vmax=255)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(words, fontsize=10)
        axes.set_xlabel("\n".join(_answers(sample, i)), fontsize=9, family="monospace")
    figure.savefig(path, dpi=120)


def _first(flags: torch.Tensor) -> int:
    return int(flags.nonzero()[0])


def _answers(sample: Sample, i: int) -> list[str]:
    """Return the right sequences of an input, in groups of an edge's length."""
    found = []
    for answer in sample.answers[i].tolist():
        edge = math.isqrt(len(answer))
        groups = [answer[j : j + edge] for j in range(0, len(answer), edge)]
        found.append(" ".join("".join(str(digit) for digit in group) for group in groups))
    return list(dict.fromkeys(found))
