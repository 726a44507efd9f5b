# SPDX-License-Identifier: Apache-2.0
"""The studies: which trainings, evaluated in which cells, laid out in which table.

A study is a list of variants (changes to one training configuration), each trained from several
seeds, times a list of cells, each on the same episode seeds. One without variants takes the
checkpoint it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.perturbation import AXES, NO_AXIS
from onestep_vla_ros.sim.rollout import REPLAN_S
from onestep_vla_ros.train.cells import (
    ABLATIONS,
    PREFIX,
    SPLICE,
    Axes,
    Cell,
    short_policy,
    words,
)
from onestep_vla_ros.train.lerobot_layout import FPS

VARIANT, PERTURBATION = "variant", "perturbation"
"""Dimensions beside the attributes of `Cell`: the trainings; axis or injected latency."""
LATE_S, LATE = 0.2, "latency 0.2 s"
"""The eighth perturbation."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One training configuration.

    Attributes:
        name: As it reads in tables.
        folder: Start of the name of its runs' folders; one configuration has one, so that
            studies share trainings.
        overrides: Key of the training configuration to its value; "head.horizon" reaches in.
        is_one_step: Its head answers alike for every K and noise, so K = 1 stands for all.
        handovers: How its chunks take over, in turn.
    """

    name: str
    folder: str
    overrides: Mapping[str, object] = field(default_factory=dict)
    is_one_step: bool = False
    handovers: tuple[str, ...] = (SPLICE,)


@dataclass(frozen=True, slots=True)
class Study:
    """Variants, cells and the table they make.

    Attributes:
        variants: What is trained; () takes a given checkpoint.
        rows: Dimension down the table: `VARIANT`, `PERTURBATION` or an attribute of `Cell`.
        columns: Dimension across it; "task" makes one table instead of one a task.
        about: One sentence above the table.
        under: Words under its picture.
        is_over_columns: The picture's curves are the rows; otherwise the columns.
        max_age_s: Oldest observation the bridge takes [s]; None is config/bridge.yaml's.
        is_sequential: The next observation is taken when the chunk of the last has arrived.
        is_joined: Also tabulate all tasks as one.
        has_seams: Also tabulate how well a chunk fits the plan it replaces.
    """

    name: str
    variants: tuple[Variant, ...]
    rows: str
    columns: str
    about: str
    under: str
    is_over_columns: bool = False
    steps: tuple[int, ...] = (1,)
    latencies_s: tuple[float, ...] = (0.06,)
    axes: tuple[str, ...] = (NO_AXIS,)
    ablations: tuple[str, ...] = ABLATIONS[:1]
    max_age_s: float | None = None
    is_sequential: bool = False
    is_joined: bool = False
    has_seams: bool = False

    def cells(
        self,
        policy: str,
        tasks: tuple[str, ...],
        noise: str,
        variant: Variant | None = None,
        replan_s: float = REPLAN_S,
    ) -> tuple[Cell, ...]:
        """Return the cells of one checkpoint.

        Args:
            policy: Its folder.
            tasks: Tasks to evaluate.
            noise: Decoder noise.
            variant: What was trained; None for a given checkpoint.
            replan_s: Time between two observations [s].
        """
        is_one_step = variant is not None and variant.is_one_step
        axes = Axes(
            policies=(policy,),
            tasks=tasks,
            steps=self.steps[:1] if is_one_step else self.steps,
            noises=(noise,),
            replans_s=(replan_s,),
            latencies_s=self.latencies_s,
            axes=self.axes,
            ablations=self.ablations,
            handovers=variant.handovers if variant is not None else (SPLICE,),
            max_age_s=self.max_age_s,
        )
        if self.is_sequential:
            return tuple(
                replace(cell, replan_s=max(cell.replan_s, cell.latency_s)) for cell in axes.cells()
            )
        late = [
            replace(cell, latency_s=LATE_S)
            for cell in axes.cells()
            if self.rows == PERTURBATION and cell.axis == NO_AXIS
        ]
        return (*axes.cells(), *late)

    def place(self, variant: Variant | None, cell: Cell) -> tuple[str, str]:
        """Return the row and the column of a cell, in words."""
        return self._words(self.rows, variant, cell), self._words(self.columns, variant, cell)

    def _words(self, dimension: str, variant: Variant | None, cell: Cell) -> str:
        if dimension == VARIANT:
            return variant.name if variant else short_policy(cell.policy)
        if dimension == PERTURBATION:
            return LATE if cell.latency_s == LATE_S else words("axis", cell.axis)
        return words(dimension, getattr(cell, dimension))


def _schedule(base: str, alpha: float) -> dict[str, object]:
    return {"objective": "flow", "base": base, "alpha": alpha}


UNIFORM = Variant("uniform", "uniform", _schedule("uniform", 1.0))
BETA = Variant("Beta(1.5, 1)", "beta", _schedule("beta", 1.0))
ALPHA_4 = Variant("α = 4", "alpha4", _schedule("uniform", 4.0))
ALPHA_8 = Variant("α = 8", "alpha8", _schedule("uniform", 8.0))
REGRESSION = Variant("L2 regression", "regression", {"objective": "regression"}, is_one_step=True)
PLAIN = replace(ALPHA_4, handovers=(SPLICE, "blend"))
GIVEN = 8
PREFIXED = Variant(
    "prefix", f"prefix{GIVEN}", {**ALPHA_4.overrides, "head.prefix": GIVEN}, handovers=(PREFIX,)
)
HORIZONS = tuple(
    Variant(f"H = {h}", f"horizon{h}", {**_schedule("uniform", 4.0), "head.horizon": h})
    for h in (10, 20, 30, 40)
)

STUDIES: Mapping[str, Study] = {
    study.name: study
    for study in (
        Study(
            "schedules",
            (UNIFORM, BETA, ALPHA_4, ALPHA_8, REGRESSION),
            rows=VARIANT,
            columns="steps",
            about="Training-time distribution of the noise level by decoder steps.",
            under="decoder steps K",
            is_over_columns=True,
            is_joined=True,
            steps=(1, 2, 5, 10),
        ),
        Study(
            "horizon",
            HORIZONS,
            rows=VARIANT,
            columns="steps",
            about="Waypoints in a chunk (0.1 s each, α = 4) by decoder steps.",
            under="waypoints in a chunk H",
            steps=(1, 10),
        ),
        Study(
            "prefix",
            (PLAIN, PREFIXED),
            rows="handover",
            columns="latency_s",
            about="Chunks that arrive d = 0, 1, 2, 4 and 8 waypoints (0.1 s each) after their "
            "observation, by how they take over: spliced or blended as they are, or decoded to go "
            "on from the waypoints of the running plan that are past by then (a training of its "
            "own). The bridge takes observations of any age here, as none should on a robot, and "
            "the next one is taken when the last chunk is there.",
            under="observation to chunk [s]",
            is_over_columns=True,
            latencies_s=tuple(round(d / FPS, 3) for d in (0, 1, 2, 4, GIVEN)),
            max_age_s=1.0,
            is_sequential=True,
            has_seams=True,
        ),
        Study(
            "delay",
            (),
            rows="latency_s",
            columns="steps",
            about="Time from an observation to its chunk reaching the bridge, by decoder steps. "
            "The bridge refuses observations older than 0.3 s.",
            under="observation to chunk [s]",
            steps=(1, 10),
            latencies_s=(0.0, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4),
        ),
        Study(
            "ablation",
            (),
            rows="ablation",
            columns="task",
            about="The same network without its images, its state or its sentence.",
            under="",
            ablations=ABLATIONS,
        ),
        Study(
            "axes",
            (),
            rows=PERTURBATION,
            columns="task",
            about="Scenes farther from the demonstrations, one axis at a time.",
            under="",
            axes=(NO_AXIS, *AXES),
        ),
    )
}
"""Name to study, as `onestep-vla study NAME`."""


def study_named(name: str) -> Study:
    """Return a study; raise `ConfigError` listing all when there is none of that name."""
    if name not in STUDIES:
        raise ConfigError("unknown study", got=repr(name), allowed=list(STUDIES))
    return STUDIES[name]
