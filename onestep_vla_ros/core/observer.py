# SPDX-License-Identifier: Apache-2.0
"""From images and joint states as they arrive to one observation of one moment."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.config import PolicyNodeConfig
from onestep_vla_ros.core.errors import ObservationError
from onestep_vla_ros.core.observation import CameraSpec, Observation, check_instruction

_EPS_S = 1e-6
_IMAGES_KEPT = 8
_STATES_KEPT = 200


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no observation can be made now: a short countable reason and the whole story."""

    reason: str
    detail: str


_State = tuple[float, NDArray[np.float64], NDArray[np.float64]]
_Picture = tuple[float, NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class _Parts:
    """What belongs to one moment: joint state and pictures, each with its stamp first."""

    state: _State
    pictures: dict[str, _Picture]


class Observer:
    """Keeps the last images and joint states and pairs those of one moment.

    The moment is the newest time for which every camera has a picture: each camera gives the
    picture nearest to it and so do the joint states. Nothing is ever filled in.

    Thread: the caller's business; no method blocks.
    """

    def __init__(self, cameras: Sequence[CameraSpec], config: PolicyNodeConfig) -> None:
        self._config = config
        self._images: dict[str, deque[_Picture]] = {
            c.name: deque(maxlen=_IMAGES_KEPT) for c in cameras
        }
        self._states: deque[_State] = deque(maxlen=_STATES_KEPT)
        self._used_s = -math.inf
        self._good_s = -math.inf
        self._ahead: set[str] = set()
        self._equal = dict.fromkeys(self._images, 0)
        self.instruction = config.instruction

    def on_image(self, camera: str, image: NDArray[np.uint8], stamp_s: float) -> None:
        """Take a picture (H, W, 3) captured at `stamp_s` [s]; one not newer is ignored."""
        kept = self._images[camera]
        if kept and stamp_s <= kept[-1][0]:
            return
        if self._config.frozen_images:
            is_equal = bool(kept) and np.array_equal(kept[-1][1], image)
            self._equal[camera] = self._equal[camera] + 1 if is_equal else 0
        kept.append((stamp_s, image))
        self._ahead.discard(camera)

    def on_joint_state(
        self, q: NDArray[np.float64], qd: NDArray[np.float64], stamp_s: float
    ) -> None:
        """Take q and qd, each (14,), measured at `stamp_s` [s]; one not newer is ignored."""
        if not self._states or stamp_s > self._states[-1][0]:
            self._states.append((stamp_s, q, qd))

    def on_instruction(self, text: str) -> None:
        """Take a sentence; raise `ObservationError` when empty or too long.

        The old one ends either way: whoever asks for something else must not see it go on.
        """
        self.instruction = ""
        self.instruction = check_instruction(text)

    def observe(self, now_s: float) -> Observation | Refusal | None:
        """Return the observation that is due, why there is none, or None while one is coming.

        Args:
            now_s: The present, on the clock of the stamps [s].
        """
        if not self.instruction:
            return Refusal("no_instruction", "no instruction has come yet")
        self._forget_wrong_stamps(now_s)
        moment = self._frozen() or self._moment(now_s)
        if isinstance(moment, Refusal):
            return moment
        is_new = moment > self._used_s + _EPS_S
        if not is_new or moment < self._used_s + self._config.replan_period_s - _EPS_S:
            return None
        parts = self._parts(moment, now_s)
        if parts is None or isinstance(parts, Refusal):
            return parts
        self._used_s = moment
        try:
            return Observation(
                images={name: picture[1] for name, picture in parts.pictures.items()},
                image_stamps_s={name: picture[0] for name, picture in parts.pictures.items()},
                q=parts.state[1],
                qd=parts.state[2],
                joint_stamp_s=parts.state[0],
                instruction=self.instruction,
            )
        except ObservationError as error:
            return Refusal("malformed", str(error))

    def trouble(self, now_s: float) -> str:
        """Return why there is nothing fit to act on at `now_s`, "" while there is.

        An instruction that ended and a frozen camera count at once, anything else when the
        last moment of which all parts were good is older than `image_timeout_s`.
        """
        if not self.instruction:
            return "no instruction has come yet"
        self._forget_wrong_stamps(now_s)
        frozen = self._frozen()
        if frozen is not None:
            return frozen.detail
        moment = self._moment(now_s)
        found = moment if isinstance(moment, Refusal) else self._parts(moment, now_s)
        if isinstance(moment, float) and isinstance(found, _Parts):
            self._good_s = moment
        is_lasting = now_s - self._good_s > self._config.image_timeout_s
        return found.detail if isinstance(found, Refusal) and is_lasting else ""

    def _parts(self, moment: float, now_s: float) -> _Parts | Refusal | None:
        """Return what belongs to `moment`, why it does not, or None while it is coming."""
        state = self._state(moment, now_s)
        if state is None or isinstance(state, Refusal):
            return state
        pictures = {name: _nearest(kept, moment) for name, kept in self._images.items()}
        stamps = {name: picture[0] for name, picture in pictures.items()}
        skew_s = max([state[0], *stamps.values()]) - min([state[0], *stamps.values()])
        if skew_s > self._config.max_skew_s:
            return Refusal(
                "skewed",
                f"parts lie {skew_s:.3f} s apart, allowed {self._config.max_skew_s} s: "
                f"joint_states {state[0]:.3f}, {stamps}",
            )
        return _Parts(state, pictures)

    def _forget_wrong_stamps(self, now_s: float) -> None:
        """Drop what lies in the future and remember whose pictures did.

        One wrong stamp, or a clock that was set back, must not blind the policy until then.
        """
        limit_s = now_s + self._config.future_tolerance_s
        for name, pictures in self._images.items():
            while pictures and pictures[-1][0] > limit_s:
                pictures.pop()
                self._ahead.add(name)
        while self._states and self._states[-1][0] > limit_s:
            self._states.pop()
        if self._used_s > limit_s:
            self._used_s = -math.inf
        if self._good_s > limit_s:
            self._good_s = -math.inf

    def _frozen(self) -> Refusal | None:
        """Return which camera sends the same picture again and again under new stamps."""
        limit = self._config.frozen_images
        for camera, equal in self._equal.items():
            if 0 < limit <= equal + 1 and equal:
                detail = f"camera {camera!r}: {equal + 1} equal pictures in a row, limit {limit}"
                return Refusal("image_frozen", detail)
        return None

    def _moment(self, now_s: float) -> float | Refusal:
        """Return the newest time [s] that every camera has reached, or why there is none."""
        newest: dict[str, float] = {}
        for name, kept in self._images.items():
            if not kept:
                reason = "image_in_future" if name in self._ahead else "image_missing"
                return Refusal(reason, f"camera {name!r}: no image up to now")
            newest[name] = kept[-1][0]
        oldest = min(newest, key=newest.__getitem__)
        age_s = now_s - newest[oldest]
        if age_s > self._config.image_timeout_s:
            return Refusal(
                "image_stale",
                f"camera {oldest!r}: newest image is {age_s:.3f} s old, "
                f"allowed {self._config.image_timeout_s} s",
            )
        return newest[oldest]

    def _state(self, moment: float, now_s: float) -> _State | Refusal | None:
        if not self._states:
            return Refusal("joint_states_missing", "no joint state has come yet")
        age_s = now_s - self._states[-1][0]
        if age_s > self._config.joint_state_timeout_s:
            return Refusal(
                "joint_states_stale",
                f"newest joint state is {age_s:.3f} s old, "
                f"allowed {self._config.joint_state_timeout_s} s",
            )
        if self._states[-1][0] < moment - _EPS_S:
            return None  # the one measured with these pictures is still on its way
        return min(self._states, key=lambda state: abs(state[0] - moment))


def _nearest(kept: deque[_Picture], moment: float) -> _Picture:
    return min(kept, key=lambda picture: abs(picture[0] - moment))
