# SPDX-License-Identifier: Apache-2.0
"""meta.json of a folder of demonstrations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from onestep_vla_ros.core.errors import DatasetError, raise_all
from onestep_vla_ros.core.joints import JOINT_NAMES
from onestep_vla_ros.core.observation import CameraSpec

FORMAT = "onestep-vla-demos/0"
DO = "generate the demonstrations again with onestep-vla demos"


@dataclass(frozen=True, slots=True)
class DatasetMeta:
    """What meta.json says.

    Attributes:
        task: Name of the task.
        period_s: Time between plan points [s].
        native: Cameras as the driver publishes them.
        stored: Cameras as the files hold them, which is what the model reads.
        state: "measured".
        expert: Who demonstrated.
    """

    task: str
    period_s: float
    native: tuple[CameraSpec, ...]
    stored: tuple[CameraSpec, ...]
    state: str
    expert: str


def read_meta(folder: Path) -> DatasetMeta:
    """Return what `folder`/meta.json says.

    Raises:
        DatasetError: Missing, damaged or of another robot; lists every fault.
    """
    path = folder / "meta.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing", do=DO) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} is no JSON", got=str(error), do=DO) from None
    if not isinstance(data, dict):
        raise DatasetError(f"{path} is no mapping", got=type(data).__name__, do=DO)
    faults = [
        f"{key}: got: {data.get(key)!r}; allowed: {allowed!r}"
        for key, allowed in (
            ("format", FORMAT),
            ("joint_names", list(JOINT_NAMES)),
            ("state", "measured"),
        )
        if data.get(key) != allowed
    ]
    period = data.get("period_s")
    if not isinstance(period, float) or not 0.0 < period <= 1.0:
        faults.append(f"period_s: got: {period!r}; allowed: above 0 to 1 s")
    native, stored = _cameras(data.get("cameras"), faults)
    raise_all(DatasetError, str(path), faults, DO)
    return DatasetMeta(
        str(data.get("task")), period, native, stored, data["state"], str(data.get("expert"))
    )


def _cameras(
    section: object, faults: list[str]
) -> tuple[tuple[CameraSpec, ...], tuple[CameraSpec, ...]]:
    native, stored = [], []
    items = section.items() if isinstance(section, dict) else ()
    for name, sizes in items:
        try:
            native.append(CameraSpec(name, *map(int, sizes["native"])))
            stored.append(CameraSpec(name, *map(int, sizes["stored"])))
        except (KeyError, TypeError, ValueError):
            faults.append(f"cameras.{name}: got: {sizes!r}; allowed: native and stored [h, w]")
    if not items:
        faults.append(f"cameras: got: {section!r}; allowed: name to native and stored [h, w]")
    return tuple(native), tuple(stored)
