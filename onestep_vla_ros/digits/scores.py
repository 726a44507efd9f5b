# SPDX-License-Identifier: Apache-2.0
"""What a trained model does with digits it has never seen, by decoder steps and start noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from onestep_vla_ros.digits.autoregressive import AutoregressiveHead
from onestep_vla_ros.digits.fidelity import frechet, spread
from onestep_vla_ros.digits.model import DigitModel
from onestep_vla_ros.digits.sources import HELD_OUT, TEST, TRAIN
from onestep_vla_ros.digits.tasks import AMBIGUOUS, IMAGE, Sample, Task, to_pictures
from onestep_vla_ros.digits.tokens import CLASSES, nearest
from onestep_vla_ros.policy.ambiguity import gap
from onestep_vla_ros.policy.decoder import euler
from onestep_vla_ros.policy.flow_head import Memory
from onestep_vla_ros.policy.objective import interpolate, target_velocity

STEPS = (1, 2, 5, 10)
LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Noise levels at which the velocity's error is measured."""
TEST_SEED = 10**6
"""The same test inputs and start noise for every training, so that they can be paired."""
SAMPLED, ZERO = "sampled", "zero"

Figures = dict[str, Any]


@torch.no_grad()
def score(model: DigitModel, task: Task, count: int, *, is_one_step: bool) -> Figures:
    """Return all figures of a model on `count` inputs of test digits.

    Args:
        model: In evaluation mode, on the task's device.
        task: What it was trained on.
        count: Test inputs.
        is_one_step: K = 1 from zero noise stands for every K and noise, and there is no velocity.

    Returns:
        `decoded`: noise -> K -> {exact (bits as hexadecimal digits), token_accuracy, mse}, for
        pictures {spread, frechet, mse, pictures}; `velocity_error`: τ -> mean square;
        `noise_leak`; and of ambiguous grids `is_ambiguous`, and `gap` on test and held-out inputs.
    """
    inputs, memory, noise = _prepared(model, task, TEST, count)
    figures: Figures = {}
    if task.name == AMBIGUOUS:
        figures["is_ambiguous"] = pack(inputs.is_ambiguous)
    if is_one_step:
        figures["decoded"] = {
            ZERO: {"1": _judge(task, inputs, _once(model, task, inputs, memory))}
        }
        return figures
    starts = {SAMPLED: noise, ZERO: torch.zeros_like(noise)}
    figures["decoded"] = {
        name: {str(k): _judge(task, inputs, _decode(model, memory, start, k)) for k in STEPS}
        for name, start in starts.items()
    }
    figures["velocity_error"] = _velocity_error(model, memory, inputs, noise)
    figures["noise_leak"] = _noise_leak(model, memory, noise)
    if task.name == AMBIGUOUS:
        figures["gap"] = {
            "test": _gap(model, task, TEST, count),
            "held_out": _gap(model, task, HELD_OUT, count),
        }
    return figures


def pack(bits: torch.Tensor) -> str:
    """Return flags (N,) as hexadecimal digits, four flags each, the last filled with 0."""
    return np.packbits(bits.cpu().numpy()).tobytes().hex()


def unpack(text: str, count: int) -> list[bool]:
    """Return the first `count` flags of `pack`."""
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8))[:count]
    return [bool(b) for b in bits]


def _inputs(task: Task, part: int, count: int) -> Sample:
    device = task.codebook.device
    return task.sample(count, part, torch.Generator(device).manual_seed(TEST_SEED + part))


def _prepared(
    model: DigitModel, task: Task, part: int, count: int
) -> tuple[Sample, Memory, torch.Tensor]:
    """Return inputs, their memory, and start noise (B, 1, H, D), one draw an input."""
    inputs = _inputs(task, part, count)
    batch = inputs.batch
    memory = model.head.prepare(model.encode(batch.images, batch.text, batch.state))
    generator = torch.Generator().manual_seed(TEST_SEED)
    shape = (count, 1, *batch.action.shape[1:])
    return inputs, memory, torch.randn(shape, generator=generator).to(batch.action.device)


def _once(model: DigitModel, task: Task, inputs: Sample, memory: Memory) -> torch.Tensor:
    """Return the chunks (B, H, D) of a head that answers alike for every K and noise."""
    if isinstance(model.head, AutoregressiveHead):
        return model.head.greedy(memory, task.codebook, len(inputs.answers))
    return _decode(model, memory, torch.zeros_like(inputs.batch.action).unsqueeze(1), 1)


def _decode(model: DigitModel, memory: Memory, start: torch.Tensor, steps: int) -> torch.Tensor:
    """Return chunks (B, H, D)."""
    return euler(model.head.flow(memory), start, steps).squeeze(1)


def _judge(task: Task, inputs: Sample, chunk: torch.Tensor) -> Figures:
    if task.name == IMAGE:
        return _judge_pictures(task, inputs, chunk)
    right = _right(task, inputs, chunk)  # (B, A, 16)
    answers = task.codebook[inputs.answers]  # (B, A, 16, D)
    away = (chunk.unsqueeze(1) - answers).square().mean(dim=(2, 3)).amin(dim=1)
    return {
        "exact": pack(right.all(dim=2).any(dim=1)),
        "token_accuracy": float(right.float().mean(dim=2).amax(dim=1).mean()),
        "mse": float(away.mean()),
    }


def _right(task: Task, inputs: Sample, chunk: torch.Tensor) -> torch.Tensor:
    """Return (B, A, 16): which digits agree with each right answer."""
    return nearest(chunk, task.codebook).unsqueeze(1) == inputs.answers


def _judge_pictures(task: Task, inputs: Sample, chunk: torch.Tensor) -> Figures:
    real = _inputs(task, TRAIN, len(chunk))  # other pictures than those that were asked for
    made, made_labels = chunk.flatten(1).double().cpu(), inputs.answers.flatten().cpu()
    true, true_labels = real.batch.action.flatten(1).double().cpu(), real.answers.flatten().cpu()
    return {
        "spread": spread(made.numpy(), made_labels.numpy(), true.numpy(), true_labels.numpy()),
        "frechet": frechet(made.numpy(), true.numpy()),
        "mse": float((chunk - inputs.batch.action).square().mean()),
        "pictures": _examples(task, inputs, chunk),
    }


def _examples(task: Task, inputs: Sample, chunk: torch.Tensor) -> str:
    """Return the first picture of each class, 10 x 16 x 16 bytes as hexadecimal digits."""
    labels = inputs.answers.flatten().tolist()
    chosen = to_pictures(chunk[[labels.index(digit) for digit in range(CLASSES)]])
    pixels = chosen * task.image_std + task.image_mean
    return pixels.round().clamp(0, 255).to(torch.uint8).cpu().numpy().tobytes().hex()


def _velocity_error(
    model: DigitModel, memory: Memory, inputs: Sample, noise: torch.Tensor
) -> dict[str, float]:
    """Return the mean square of v(x_τ, τ) − (ε − a) for each τ of `LEVELS`."""
    action = inputs.batch.action.unsqueeze(1)
    found = {}
    for level in LEVELS:
        tau = torch.full(noise.shape[:2], level, device=noise.device)
        velocity = model.head(interpolate(action, noise, tau), tau, memory)
        found[f"{level:g}"] = float((velocity - target_velocity(action, noise)).square().mean())
    return found


def _noise_leak(model: DigitModel, memory: Memory, noise: torch.Tensor) -> float:
    """Return the mean square of â(ε) − â(ε′) with one step: 0 for a perfect head."""
    other = noise.roll(1, dims=0)
    first, second = (_decode(model, memory, start, 1) for start in (noise, other))
    return float((first - second).square().mean())


def _gap(model: DigitModel, task: Task, part: int, count: int) -> Figures:
    """Return both gaps of each input, and which answers are right."""
    inputs, memory, noise = _prepared(model, task, part, count)
    chunks = {k: _decode(model, memory, noise, k) for k in (1, 2, 10)}
    step_gap = (chunks[1] - chunks[2]).square().mean(dim=(1, 2)).sqrt()
    chunks[1] = _decode(model, memory, torch.zeros_like(noise), 1)  # as "auto" answers
    look = gap(model.head.flow(memory), chunks[1])
    exact = {k: _right(task, inputs, c).all(dim=2).any(dim=1) for k, c in chunks.items()}
    return {
        "gap": [round(g, 5) for g in look.tolist()],
        "step_gap": [round(g, 5) for g in step_gap.tolist()],
        "is_ambiguous": pack(inputs.is_ambiguous),
        "exact": {str(k): pack(bits) for k, bits in exact.items()},
    }
