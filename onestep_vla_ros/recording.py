# SPDX-License-Identifier: Apache-2.0
"""What recorder_node wrote, read back: pictures and joint curves by simulated time."""

from __future__ import annotations

import bisect
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import DatasetError
from onestep_vla_ros.core.joints import ARMS

CAMERAS = ("top", "left_wrist", "right_wrist")


@dataclass(frozen=True, slots=True)
class Moment:
    """What held at one time.

    Attributes:
        images: RGB (H, W, 3) uint8 in the order of `CAMERAS`.
        mode: The bridge's mode.
    """

    time_s: float
    images: tuple[NDArray[np.uint8], ...]
    mode: str
    seed: str
    instruction: str
    episode: int
    episode_time_s: float
    is_done: bool


class Recording:
    """Events of one recording, in the order of time.

    Raises:
        DatasetError: The folder holds no recording.
    """

    def __init__(self, folder: Path) -> None:
        self._frames = folder / "frames.bin"
        self._events: dict[str, list[dict[str, object]]] = defaultdict(list)
        try:
            with (folder / "events.jsonl").open(encoding="utf-8") as lines:
                for line in lines:
                    if line.endswith("}\n"):  # the last line of a killed recorder is cut
                        event = json.loads(line)
                        self._events[event["k"]].append(event)
        except FileNotFoundError:
            raise DatasetError(f"folder {folder} holds no recording") from None
        for events in self._events.values():
            events.sort(key=lambda event: event["t"])  # type: ignore[arg-type,return-value]
        self._times = {
            k: [float(e["t"]) for e in events]  # type: ignore[arg-type]
            for k, events in self._events.items()
        }

    def moments(self) -> Iterator[Moment]:
        """Yield every picture of the first camera from the first episode on, with the rest."""
        by_camera: dict[str, list[dict[str, object]]] = {c: [] for c in CAMERAS}
        for event in self._events["frame"]:
            by_camera[str(event["camera"])].append(event)
        times = {c: [float(e["t"]) for e in by_camera[c]] for c in CAMERAS}  # type: ignore[arg-type]
        if not all(times.values()):
            return
        with self._frames.open("rb") as file:
            for now_s in times[CAMERAS[0]]:
                sim = self._at("sim", now_s)
                if sim is None or sim["episode"] == "0":
                    continue
                images = []
                for camera in CAMERAS:
                    i = min(bisect.bisect_left(times[camera], now_s), len(times[camera]) - 1)
                    images.append(_picture(file, by_camera[camera][i]))
                trace = self._at("trace", now_s)
                yield Moment(
                    time_s=now_s,
                    images=tuple(images),
                    mode=str(trace["mode"]) if trace else "IDLE",
                    seed=str(sim["seed"]),
                    instruction=str(sim["instruction"]),
                    episode=int(str(sim["episode"])),
                    episode_time_s=float(str(sim["episode_time_s"])) + now_s - float(sim["t"]),  # type: ignore[arg-type]
                    is_done=sim["success"] == "True",
                )

    def span(self, seed: int) -> tuple[float, float]:
        """Return from when to when [s] the arms were led in the episode of `seed`."""
        rows = [float(e["t"]) for e in self._events["sim"] if e["seed"] == str(seed)]  # type: ignore[arg-type]
        led = [
            float(e["t"])  # type: ignore[arg-type]
            for e in self._events["trace"]
            if e["mode"] != "IDLE" and rows and rows[0] <= float(e["t"]) <= rows[-1]  # type: ignore[arg-type]
        ]
        return (led[0], led[-1]) if led else (0.0, 0.0)

    def measured(self, start_s: float, end_s: float) -> tuple[NDArray[np.float64], ...]:
        """Return times (N,) [s] and measured q (N, 14) between two times."""
        return self._curve("state", start_s, end_s)

    def commanded(self, arm: str, start_s: float, end_s: float) -> tuple[NDArray[np.float64], ...]:
        """Return times (N,) [s] and commanded q (N, 7) of one arm between two times."""
        assert arm in ARMS  # noqa: S101 - callers walk ARMS
        return self._curve("command", start_s, end_s, arm)

    def hand_overs(self, start_s: float, end_s: float) -> NDArray[np.float64]:
        """Return the times [s] at which a new chunk took over, (N,)."""
        times, last = [], None
        for event in self._events["trace"]:
            if event["chunk"] != last and start_s <= float(event["t"]) <= end_s:  # type: ignore[arg-type]
                times.append(event["t"])
            last = event["chunk"]
        return np.array(times, dtype=np.float64)

    def _curve(
        self, kind: str, start_s: float, end_s: float, arm: str | None = None
    ) -> tuple[NDArray[np.float64], ...]:
        first = bisect.bisect_left(self._times.get(kind, []), start_s)
        last = bisect.bisect_right(self._times.get(kind, []), end_s)
        rows = [e for e in self._events[kind][first:last] if arm is None or e["arm"] == arm]
        times = np.array([e["t"] for e in rows], dtype=np.float64)
        return times, np.array([e["q"] for e in rows], dtype=np.float64)

    def _at(self, kind: str, now_s: float) -> dict[str, object] | None:
        i = bisect.bisect_right(self._times.get(kind, []), now_s + 1e-6) - 1
        return self._events[kind][i] if i >= 0 else None


def _picture(file: object, event: dict[str, object]) -> NDArray[np.uint8]:
    file.seek(event["offset"])  # type: ignore[attr-defined]
    data = np.frombuffer(file.read(event["size"]), np.uint8)  # type: ignore[attr-defined]
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if picture is None:
        raise DatasetError("a picture of the recording is cut", got=f"{len(data)} bytes")
    return np.ascontiguousarray(picture[:, :, ::-1], dtype=np.uint8)
