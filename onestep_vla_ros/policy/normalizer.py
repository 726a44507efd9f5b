# SPDX-License-Identifier: Apache-2.0
"""Dataset statistics: between robot units and what the network sees.

Inside the model arm joints are deltas from the state it read, a[h, j] = q_target − q,
scaled per (step h, joint j); grippers are absolute. Outside everything is absolute. Which
actions are learned so is the embodiment's to say: an arm that is commanded in steps has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from onestep_vla_ros.core.joints import ARM_JOINT_INDEX

STD_FLOOR = 2e-3
"""Smallest scale [rad or gripper units]: a joint that never moved must not be amplified."""


@dataclass(frozen=True, slots=True)
class Normalizer:
    """Means and scales, all float32.

    Attributes:
        state_mean: (S,) [rad, gripper 0..1].
        state_std: (S,), >= `STD_FLOOR`.
        action_mean: (H, D) of deltas (arm joints) and absolute values (grippers).
        action_std: (H, D), >= `STD_FLOOR`.
        relative: Which actions are deltas from the state of the same index.
    """

    state_mean: torch.Tensor
    state_std: torch.Tensor
    action_mean: torch.Tensor
    action_std: torch.Tensor
    relative: tuple[int, ...] = ARM_JOINT_INDEX

    @staticmethod
    def fit(
        state: NDArray[np.float32],
        action: NDArray[np.float32],
        relative: tuple[int, ...] = ARM_JOINT_INDEX,
    ) -> Normalizer:
        """Return the statistics of states (N, S) and absolute chunks (N, H, D)."""
        base = np.zeros((len(action), action.shape[2]))
        base[:, relative] = state[:, relative]
        moments = []
        for h in range(action.shape[1]):  # one waypoint at a time: a whole dataset is large
            delta = action[:, h].astype(np.float64) - base
            moments.append((delta.mean(0), np.maximum(delta.std(0), STD_FLOOR)))
        numbers = (
            state.mean(0, dtype=np.float64),
            np.maximum(state.std(0, dtype=np.float64), STD_FLOOR),
            np.stack([mean for mean, _ in moments]),
            np.stack([std for _, std in moments]),
        )
        return Normalizer(*(torch.from_numpy(x.astype(np.float32)) for x in numbers), relative)

    def encode_state(self, q: torch.Tensor) -> torch.Tensor:
        """Return the normalised state of absolute positions q (…, S)."""
        return (q - self.state_mean) / self.state_std

    def encode_action(self, action: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        """Return normalised chunks of absolute ones, read from states q (B, S).

        Args:
            action: (B, H, D), or only their first waypoints.
            q: Absolute states, (B, S).
        """
        count = action.shape[-2]
        mean, std = self.action_mean[:count], self.action_std[:count]
        return (action - self._base(q).unsqueeze(-2) - mean) / std

    def decode_action(self, x: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        """Return absolute chunks (B, H, D) of normalised ones; the inverse of the above.

        What a padded head decodes beyond the D actions is cut off.
        """
        x = x[..., : self.action_mean.shape[-1]]
        return x * self.action_std + self.action_mean + self._base(q).unsqueeze(-2)

    def to(self, device: torch.device | str) -> Normalizer:
        """Return a copy on `device`."""
        return Normalizer(*(getattr(self, n).to(device) for n in _STATISTICS), self.relative)

    def to_json(self) -> dict[str, object]:
        """Return the content of stats.json."""
        data: dict[str, object] = {name: getattr(self, name).tolist() for name in _STATISTICS}
        return {**data, "relative": list(self.relative)}

    @staticmethod
    def from_json(
        data: Mapping[str, object],
        horizon: int,
        dof: int,
        state_dof: int | None = None,
        relative: tuple[int, ...] = ARM_JOINT_INDEX,
    ) -> tuple[Normalizer | None, list[str]]:
        """Return the statistics, or None and one line for each fault.

        Args:
            data: Content of stats.json.
            horizon: H.
            dof: D.
            state_dof: S; None is D.
            relative: As the attribute, where `data` does not say it, as it did not in old ones.
        """
        faults: list[str] = []
        tensors = []
        own, shared = data.get("relative", relative), min(dof, state_dof or dof)
        if not isinstance(own, (list, tuple)) or not all(i in range(shared) for i in own):
            faults.append(f"stats.json: relative: got: {own!r}; allowed: 0 to {shared - 1} each")
            own = ()
        for name in _STATISTICS:
            shape = (state_dof or dof,) if name.startswith("state") else (horizon, dof)
            value, fault = _array(data.get(name), shape, positive=name.endswith("std"))
            tensors.append(value)
            if fault:
                faults.append(f"stats.json: {name}: {fault}")
        known = (*_STATISTICS, "relative")
        faults += [f"stats.json: unknown key {key!r}" for key in data if key not in known]
        return (None if faults else Normalizer(*tensors, tuple(own))), faults

    def _base(self, q: torch.Tensor) -> torch.Tensor:
        """Return what actions (…, D) are told from: the state where relative, else 0."""
        base = q.new_zeros((*q.shape[:-1], self.action_mean.shape[-1]))
        base[..., self.relative] = q[..., self.relative]
        return base


_STATISTICS = ("state_mean", "state_std", "action_mean", "action_std")


def _array(value: object, shape: tuple[int, ...], positive: bool) -> tuple[torch.Tensor, str]:
    empty = torch.empty(0)
    if value is None:
        return empty, f"missing; allowed: numbers of shape {shape}"
    try:
        array = np.array(value, dtype=np.float32)
    except (TypeError, ValueError):
        return empty, f"got: no array of numbers; allowed: shape {shape}"
    if array.shape != shape:
        return empty, f"got: shape {array.shape}; allowed: {shape}"
    if not np.isfinite(array).all():
        return empty, "got: NaN or infinity; allowed: finite numbers"
    if positive and array.min() <= 0.0:
        return empty, f"got: {array.min()}; allowed: > 0"
    return torch.from_numpy(array), ""
