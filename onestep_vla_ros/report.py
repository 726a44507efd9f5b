# SPDX-License-Identifier: Apache-2.0
"""The form every measured result is written in: machine, percentiles, JSON, marked tables."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from onestep_vla_ros.core.errors import ConfigError

_PACKAGES = ("numpy", "torch", "transformers", "mujoco", "ros-jazzy-rclpy")
_END = "<!-- end -->"


def percentiles_ms(samples_s: Sequence[float]) -> dict[str, float] | None:
    """Return {"p50", "p99"} in milliseconds of samples in seconds; None without samples."""
    if len(samples_s) == 0:
        return None
    p50, p99 = np.percentile(np.asarray(samples_s, dtype=np.float64) * 1e3, [50, 99])
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3)}


def machine() -> dict[str, object]:
    """Describe what a figure was measured on: CPU, cores, GPU, versions."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "gpu": _gpu_name(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
    }


def write_json(path: Path, command: str, seed: int, figures: Mapping[str, object]) -> None:
    """Write one result object: command, machine, seed, when, and its figures.

    The file appears whole or not at all.
    """
    result = {
        "command": command,
        "machine": machine(),
        "seed": seed,
        "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        **figures,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    partial.replace(path)


def write_marked(path: Path, kind: str, tables: Mapping[str, str]) -> None:
    """Replace what stands between `<!-- KIND: NAME -->` and the next `<!-- end -->`.

    Args:
        path: A Markdown file with these marks.
        kind: KIND, what the tables are about.
        tables: NAME to its new content.

    Raises:
        ConfigError: The file or a mark is missing; nothing is then written.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"file {path} cannot be read", got=error.strerror) from None
    for name, table in tables.items():
        mark = f"<!-- {kind}: {name} -->\n"
        start, found, rest = text.partition(mark)
        _, end, after = rest.partition(_END)
        if not found or not end:
            raise ConfigError(f"file {path} has no mark", got="none", allowed=f"{mark}…{_END}")
        text = f"{start}{mark}{table}\n{_END}{after}"
    path.write_text(text, encoding="utf-8")


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _gpu_name() -> str:
    torch = sys.modules.get("torch")  # asking must not cost a torch import
    if torch is not None and torch.cuda.is_available():
        return str(torch.cuda.get_device_name(0))
    return "none in use"
