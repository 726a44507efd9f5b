# SPDX-License-Identifier: Apache-2.0
"""What the digits study trains: a task, a training objective, a budget and a seed each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.digits.tasks import AMBIGUOUS, AMBIGUOUS_EDGE, EDGE, GRID, IMAGE
from onestep_vla_ros.policy.objective import OBJECTIVES
from onestep_vla_ros.study.runs import overridden
from onestep_vla_ros.study.studies import ALPHA_4, ALPHA_8, BETA, REGRESSION, UNIFORM, Variant
from onestep_vla_ros.train.train_config import TrainConfig

ALPHA_3 = Variant("α = 3", "alpha3", {"objective": "flow", "base": "uniform", "alpha": 3.0})
PURE_NOISE = Variant(
    "pure noise", "purenoise", {"objective": "flow", "base": "pure_noise", "alpha": 1.0}
)
LEARNED_START = Variant(
    "learned start", "learnedstart", {"objective": "learned_start"}, is_one_step=True
)
L1 = Variant("L1 regression", "l1", {"objective": "l1"}, is_one_step=True)
MIP = Variant("two-step regression", "mip", {"objective": "mip"}, is_one_step=True)
AUTOREGRESSIVE = Variant("autoregressive", "autoregressive", {}, is_one_step=True)
FLOWS = (UNIFORM, BETA, ALPHA_3, ALPHA_4, ALPHA_8, PURE_NOISE)
REGRESSIONS = (LEARNED_START, REGRESSION, L1, MIP)
WEAK_CHANNELS = 3


@dataclass(frozen=True, slots=True)
class Experiment:
    """A task with the variants that are trained on it.

    Attributes:
        name: As in file names.
        about: One sentence above its table.
        task: One of `tasks.TASKS`.
        variants: What is trained.
        changes: Overrides of the configuration.
        is_control: Trained at the controls' budget alone.
        times: How many of those budgets it takes to learn anything.
    """

    name: str
    about: str
    task: str
    variants: tuple[Variant, ...]
    changes: Mapping[str, object]
    is_control: bool = True
    times: int = 1


@dataclass(frozen=True, slots=True)
class Run:
    """One training and its evaluation.

    Attributes:
        steps: Its budget.
        config: Everything the learner is told.
    """

    experiment: Experiment
    variant: Variant
    steps: int
    seed: int
    config: TrainConfig

    @property
    def name(self) -> str:
        """Start of its file's name."""
        return f"{self.experiment.name}-{self.variant.folder}-{self.steps}-s{self.seed}"


EXPERIMENTS: Mapping[str, Experiment] = {
    e.name: e
    for e in (
        Experiment(
            "grid",
            "Sixteen digits of a 4x4 grid, row by row; right means all sixteen.",
            GRID,
            (*FLOWS, *REGRESSIONS, AUTOREGRESSIVE),
            {},
            is_control=False,
        ),
        Experiment(
            "ambiguous",
            "Control: nine digits of a 3x3 grid; half of the grids do not tell whether to read by "
            "row or by column, and the demonstrations do either; both count as right.",
            AMBIGUOUS,
            (UNIFORM, ALPHA_4, REGRESSION, AUTOREGRESSIVE),
            {"head.horizon": AMBIGUOUS_EDGE**2},
            times=9,  # after three, ten steps read either as seldom as one does
        ),
        Experiment(
            "weak",
            f"Control: the grid through a weak encoder, {WEAK_CHANNELS} channels instead of 16.",
            GRID,
            (UNIFORM, ALPHA_4, REGRESSION),
            {"encoder.channels": WEAK_CHANNELS},
            times=3,
        ),
        Experiment(
            "image",
            "Negative control: the chunk is the picture of a digit and the condition only its "
            "class, which leaves most of it open.",
            IMAGE,
            (UNIFORM, ALPHA_4, REGRESSION),
            {"encoder.kind": "class"},
        ),
        *(
            Experiment(
                f"grid{edge}x{edge}",
                f"The grid with {edge * edge} digits, for what a longer chunk does to one step.",
                GRID,
                (ALPHA_4,),
                {"head.horizon": edge * edge},
                times=3,
            )
            for edge in (3, 5, 6)
        ),
    )
}
"""Name to experiment."""
SIZES: Mapping[str, int] = {"grid3x3": 9, "grid": EDGE * EDGE, "grid5x5": 25, "grid6x6": 36}
"""Experiments that are alike but for the waypoints H in a chunk, to H."""
QUICK_VARIANTS = (UNIFORM, BETA, ALPHA_3, ALPHA_4, ALPHA_8, PURE_NOISE, REGRESSION)


def is_known(variant: Variant) -> bool:
    """Can the head be trained for this variant's objective?"""
    return variant.overrides.get("objective", "flow") in OBJECTIVES


def make_runs(
    names: Sequence[str],
    budgets: Sequence[int],
    seeds: int,
    base: Mapping[str, object],
    only: Sequence[Variant] = (),
    control_steps: int | None = None,
) -> tuple[Run, ...]:
    """Return all runs, one seed of everything before the next, small budgets first.

    Args:
        names: Keys of `EXPERIMENTS`.
        budgets: Steps.
        seeds: From how many seeds each; 0, 1, …
        base: Training configuration as its file gives it.
        only: Variants to leave it at; () for all.
        control_steps: Budget of the controls, which an experiment may take several times; None
            takes the smallest.

    Raises:
        ConfigError: A configuration cannot be used; lists every fault.
    """
    at_control = control_steps or min(budgets)
    own = {n: [at_control * EXPERIMENTS[n].times] for n in names if EXPERIMENTS[n].is_control}
    runs = []
    for seed in range(seeds):
        for steps in sorted({*budgets, *(s for found in own.values() for s in found)}):
            for name in names:
                experiment = EXPERIMENTS[name]
                if steps not in own.get(name, budgets):
                    continue
                for variant in filter(is_known, experiment.variants):
                    if only and variant not in only:
                        continue
                    fixed = {"seed": seed, "max_steps": steps, "processes": 1, "threads": 1}
                    changes = {**experiment.changes, **variant.overrides, **fixed}
                    where = f"digits, {experiment.name}, {variant.name}"
                    config = from_mapping(TrainConfig, overridden(base, changes), where)
                    runs.append(Run(experiment, variant, steps, seed, config))
    return tuple(runs)
