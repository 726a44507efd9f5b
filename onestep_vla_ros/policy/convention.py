# SPDX-License-Identifier: Apache-2.0
"""How other projects write the flow between noise and action, converted at this border.

Here τ is the noise level (1 pure noise, 0 clean) and the velocity is ε − a. Elsewhere:

    project                     noise at  the network says  it reads the time as
    openpi, LeRobot pi0,        t = 1     ε − a             t
      SmolVLA, transformers PI0
    GR00T N1.5, N1.6, N1.7      t = 0     a − ε             ⌊1000·t⌋
    X-VLA                       t = 1     a                 t
    the paper                   t = 0     a − ε             t

The levels they train on, in our τ: openpi, LeRobot, SmolVLA, transformers and GR00T N1.6 and
N1.7 all draw our `Schedule("beta", 1)`, though they write it differently; GR00T N1.5 draws
Beta(1.5, 1)/0.999, which is never below 0 but may exceed 1; X-VLA draws U(0, 1 − 1e-5),
stratified over the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from onestep_vla_ros.policy.objective import Velocity, clean_action, interpolate

Network = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Foreign f(x, t), conditions bound: x (M, H, D) and t (M,) to (M, H, D), M = B·N rows."""

SNAP = 1e-3
"""Part of a bucket added before rounding down: 1 − τ may lie just below a whole number.

Levels 1 − i/K, K ≤ 100, come no closer than 1/100 of a bucket to the next whole number.
"""


@dataclass(frozen=True, slots=True)
class Convention:
    """A project's way to write the flow.

    Attributes:
        noise_at: Its time t of pure noise, 1 or 0; the action is at the other end.
        says: What its network predicts: "noise - action", "action - noise" or "action".
        buckets: Its network is told the whole number ⌊buckets·t⌋; 0 tells it t.
        is_renoised: Its sampler does not go on from x: every step mixes the last predicted
            action with the noise it started from.
    """

    noise_at: int
    says: str
    buckets: int = 0
    is_renoised: bool = False

    def level(self, t: torch.Tensor) -> torch.Tensor:
        """Return the noise level τ at the project's time `t`, before any bucket."""
        return t if self.noise_at == 1 else 1.0 - t

    def time(self, tau: torch.Tensor) -> torch.Tensor:
        """Return what the project's network is told at noise level `tau`."""
        t = tau if self.noise_at == 1 else 1.0 - tau
        return (t * self.buckets + SNAP).long() if self.buckets else t

    def velocity(self, network: Network) -> Velocity:
        """Return a foreign network as ε − a, for `decoder.euler` or any other integrator."""

        def velocity(x: torch.Tensor, tau: torch.Tensor) -> torch.Tensor:
            said = network(x.flatten(0, 1), self.time(tau.flatten())).view_as(x)
            if self.says == "action":
                return (x - said) / tau[..., None, None]
            return said if self.says == "noise - action" else -said

        return velocity

    def sampler(self, network: Network, noise: torch.Tensor, steps: int) -> Velocity:
        """Return what makes `decoder.euler` the project's own sampler, step for step.

        That is `velocity`, unless the sampler is renoised: then the step from τ = i/K ends at
        τ'·ε + (1 − τ')·â, τ' = τ − 1/K, with ε the start `noise`. Plain Euler agrees with
        that for K = 1 and 2 and goes another way from K = 3 on.

        Args:
            network: The foreign network.
            noise: The start that `decoder.euler` is given, (B, N, H, D).
            steps: K, as `decoder.euler` is given it.
        """
        velocity = self.velocity(network)
        if not self.is_renoised:
            return velocity

        def jump(x: torch.Tensor, tau: torch.Tensor) -> torch.Tensor:
            chunk = clean_action(x, velocity(x, tau), tau)
            return steps * (x - interpolate(chunk, noise, tau - 1.0 / steps))

        return jump


OPENPI = Convention(noise_at=1, says="noise - action")
"""pi0 and pi0.5: src/openpi/models/pi0.py, models_pytorch/pi0_pytorch.py (openpi 15a9616)."""

LEROBOT_PI0 = OPENPI
"""policies/pi0/modeling_pi0.py, policies/common/flow_matching.py (lerobot 7427f31)."""

SMOLVLA = OPENPI
"""policies/smolvla/modeling_smolvla.py (lerobot 7427f31)."""

TRANSFORMERS_PI0 = OPENPI
"""models/pi0/modeling_pi0.py (transformers 5.23), `PI0ForConditionalGeneration`."""

GROOT_N15 = Convention(noise_at=0, says="action - noise", buckets=1000)
"""gr00t/model/action_head/flow_matching_action_head.py (Isaac-GR00T 04c7ee1)."""

GROOT_N16 = GROOT_N15
"""gr00t/model/gr00t_n1d6/gr00t_n1d6.py (Isaac-GR00T 040fccf), without real-time chunking.

It decodes as N1.5 does; what changed is the draw of training times, see the top of this file.
"""

GROOT_N17 = GROOT_N16
"""policies/groot/groot_n1_7.py (lerobot 7427f31), without real-time chunking."""

X_VLA = Convention(noise_at=1, says="action", is_renoised=True)
"""policies/xvla/modeling_xvla.py (lerobot 7427f31), the port of 2toinf/X-VLA.

Its `action_space` stays part of the network (`preprocess` hides the gripper from x) or comes
after the sampler (`postprocess` turns gripper logits into 0..1).
"""

PAPER = Convention(noise_at=0, says="action - noise")
"""arXiv 2606.05737. Its time is known here; that its velocity is dx/dt is taken for granted."""
