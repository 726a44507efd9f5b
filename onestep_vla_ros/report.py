# SPDX-License-Identifier: Apache-2.0
"""The form every measured result is written in: machine, interval, percentiles, JSON."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import math
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

_PACKAGES = ("numpy", "torch", "transformers", "mujoco", "ros-jazzy-rclpy")


def wilson(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the Wilson score interval of a success rate, 95 % by default.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical
    inference", JASA 22 (1927).

    Raises:
        ValueError: `trials` is not positive or `successes` lies outside 0..trials.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(
            f"need 0 <= successes <= trials and trials >= 1, got {successes}/{trials}"
        )
    p = successes / trials
    centre = p + z * z / (2 * trials)
    half = z * math.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    low = 0.0 if successes == 0 else (centre - half) / scale
    high = 1.0 if successes == trials else (centre + half) / scale
    return low, high


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
