# SPDX-License-Identifier: Apache-2.0
"""Model, optimiser and averaged weights: one update, and a state file to go on from."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from onestep_vla_ros.core.errors import CheckpointError
from onestep_vla_ros.policy.model import OneStepModel
from onestep_vla_ros.policy.objective import training_loss
from onestep_vla_ros.policy.schedule import Schedule
from onestep_vla_ros.train.batches import Batch
from onestep_vla_ros.train.keyframe import KeyframeReadout
from onestep_vla_ros.train.loss_scale import LossScale
from onestep_vla_ros.train.train_config import TrainConfig

# torch maps the file a second time: a RuntimeError tells of one cut short or replaced meanwhile
_DAMAGE = (safetensors.SafetensorError, OSError, RuntimeError, ValueError, KeyError, TypeError)
EMA_START = 10
"""The average follows (1 + step) / (EMA_START + step) until its own decay is reached."""


@dataclass(frozen=True, slots=True)
class Update:
    """What one update measured, the same in every process.

    Attributes:
        loss: Mean loss of the whole batch.
        norm: Gradient norm before clipping.
        rate: Learning rate of the step.
        elapsed_s: Mean of what the processes said [s].
        is_stopped: Some process was asked to stop.
    """

    loss: float
    norm: float
    rate: float
    elapsed_s: float
    is_stopped: bool


class Learner:
    """Trains a model; all gradients live in one flat buffer, which processes sum.

    Args:
        model: In training mode, on its device.
        config: The run.
        reduce: Sums a flat tensor over all processes in place; None for one process.
    """

    def __init__(
        self,
        model: OneStepModel,
        config: TrainConfig,
        reduce: Callable[[torch.Tensor], None] | None = None,
    ) -> None:
        self.model, self.config, self.step = model, config, 0
        self._reduce = reduce
        self._schedule = Schedule(config.base, config.alpha, config.zero_share)
        self._scale = LossScale(config.precision == "fp16")
        self._readout = KeyframeReadout(model.encoder) if config.keyframe_weight > 0.0 else None
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        if self._readout is not None:
            self._readout.to(self._parameters[0].device)
            self._parameters += list(self._readout.parameters())
        device = self._parameters[0].device
        total = sum(p.numel() for p in self._parameters)
        # The last three entries carry loss, elapsed time and stop request along.
        self._flat = torch.zeros(total + 3, device=device)
        first = 0
        for p in self._parameters:
            p.grad = self._flat[first : first + p.numel()].view_as(p)
            first += p.numel()
        groups = _groups(model, config)
        if self._readout is not None:
            groups.append(
                {"params": list(self._readout.parameters()), "peak": config.learning_rate}
            )
        self._optimizer = torch.optim.AdamW(
            groups,
            lr=config.learning_rate,
            betas=(config.beta1, config.beta2),
            fused=True,
        )
        self.average = [p.detach().clone() for p in self._parameters]

    def update(
        self, batch: Batch, generator: torch.Generator, elapsed_s: float, is_stopped: bool
    ) -> Update:
        """Learn from `batch`; the step counts even when another process asked to stop."""
        self._flat.zero_()
        loss, keyframe_loss = self._losses(batch, generator)
        total = loss + self.config.keyframe_weight * keyframe_loss
        (self._scale.factor * total).backward()
        ranks = self.config.processes
        extras = torch.tensor([loss.item(), elapsed_s, float(is_stopped)])
        self._flat[-3:] = extras.to(self._flat.device)
        if self._reduce is not None:
            self._reduce(self._flat)
            self._flat /= ranks
        mean_loss, mean_elapsed, stopped = self._flat[-3:].tolist()
        self._flat[-3:] = 0.0
        norm = float(self._flat.norm()) / self._scale.factor
        shrink = min(1.0, self.config.clip / norm) if norm > 0.0 else 1.0
        if shrink < self._scale.factor:
            self._flat *= shrink / self._scale.factor
        rate = self._set_rate(self.progress(mean_elapsed))
        if math.isfinite(norm):
            self._optimizer.step()
            self._follow()
        self._scale.follow(math.isfinite(norm))
        self.step += 1
        return Update(mean_loss, norm, rate, mean_elapsed, stopped > 0.0)

    def loss(self, batch: Batch, generator: torch.Generator) -> torch.Tensor:
        """Return the loss of a batch's objective; every draw shares one encoder pass."""
        return self._losses(batch, generator)[0]

    def _losses(
        self, batch: Batch, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the objective's loss and the keyframe readout's, 0 without a readout."""
        kind, precision = batch.state.device.type, self.config.precision
        half = torch.float16 if precision == "fp16" else torch.bfloat16
        with torch.autocast(kind, half, enabled=precision != "fp32"):
            context = batch.context(self.model)
            memory = self.model.head.prepare(context)
            loss = training_loss(
                self.config.objective,
                partial(self.model.head.velocity, memory=memory),
                batch.action,
                self._schedule,
                self.config.draws,
                generator,
                prefix=int(self.config.head.get("prefix", 0)),
            )
            if self._readout is None:
                return loss, torch.zeros_like(loss)
            read = self._readout(context.tokens)
        return loss, (read - batch.keyframe).square().mean()

    def progress(self, elapsed_s: float) -> float:
        """Return the spent part of the budget, 0..1: the larger of steps and minutes."""
        parts = [self.step / self.config.max_steps]
        if self.config.max_minutes > 0.0:
            parts.append(elapsed_s / (60.0 * self.config.max_minutes))
        return min(1.0, max(parts))

    def _set_rate(self, progress: float) -> float:
        """Set linear warm-up times cosine from the peak to `final_rate_ratio` of it."""
        low = self.config.final_rate_ratio
        factor = low + (1.0 - low) * 0.5 * (1.0 + math.cos(math.pi * progress))
        if self.config.warmup_steps:
            factor *= min(1.0, (self.step + 1) / self.config.warmup_steps)
        for group in self._optimizer.param_groups:
            group["lr"] = factor * group["peak"]
        return factor * self.config.learning_rate

    def _follow(self) -> None:
        decay = min(self.config.ema, (1 + self.step) / (EMA_START + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self._parameters, 1.0 - decay)

    @property
    def model_average(self) -> list[torch.Tensor]:
        """Averages of the model's trained weights, in their order; without the readout's."""
        return self.average[: sum(p.requires_grad for p in self.model.parameters())]

    @contextmanager
    def averaged(self) -> Iterator[OneStepModel]:
        """Yield the model with the averaged weights; the trained ones are back afterwards."""
        weights = [p for p in self.model.parameters() if p.requires_grad]
        kept = [p.detach().clone() for p in weights]
        with torch.no_grad():
            torch._foreach_copy_(weights, self.model_average)
        self.model.eval()
        try:
            yield self.model
        finally:
            self.model.train()
            with torch.no_grad():
                torch._foreach_copy_(weights, kept)

    def save(self, path: Path, facts: Mapping[str, object]) -> None:
        """Write weights, averages, moments and `facts` to one file in one move."""
        tensors = {}
        for i, p in enumerate(self._parameters):
            tensors[f"weight.{i}"], tensors[f"average.{i}"] = p.detach(), self.average[i]
            for key, value in self._optimizer.state.get(p, {}).items():
                tensors[f"{key}.{i}"] = value
        facts = {"step": self.step, "loss_scale": self._scale.state, **facts}
        text = json.dumps(facts, allow_nan=False)
        partial = path.with_name(path.name + ".partial")
        tensors = {k: v.cpu().contiguous() for k, v in tensors.items()}
        safetensors.torch.save_file(tensors, partial, metadata={"facts": text})
        os.replace(partial, path)

    def restore(self, path: Path) -> dict[str, object]:
        """Go on from a state file and return its facts.

        Raises:
            CheckpointError: The file is damaged or of another model.
        """
        facts = read_facts(path)
        tensors = safetensors.torch.load_file(path)
        try:
            with torch.no_grad():
                for i, p in enumerate(self._parameters):
                    p.copy_(tensors[f"weight.{i}"])
                    self.average[i].copy_(tensors[f"average.{i}"])
                    if f"step.{i}" in tensors:
                        self._optimizer.state[p] = {
                            "step": tensors[f"step.{i}"],
                            "exp_avg": tensors[f"exp_avg.{i}"].to(p.device),
                            "exp_avg_sq": tensors[f"exp_avg_sq.{i}"].to(p.device),
                        }
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(
                f"training state {path} is of another model",
                got=str(error).splitlines()[0],
                do="start over with --fresh or name another --out",
            ) from None
        self.step = int(facts["step"])  # type: ignore[call-overload]
        self._scale.state = facts["loss_scale"]  # type: ignore[assignment]
        return facts


def read_facts(path: Path) -> dict[str, object]:
    """Return the facts in a state file.

    Raises:
        CheckpointError: The file is damaged.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["facts"])
            int(facts["step"])
    except _DAMAGE as error:
        raise CheckpointError(
            f"training state {path} is damaged",
            got=str(error),
            do="delete it, or start over with --fresh",
        ) from None
    return facts


def is_of_backbone(name: str, config: TrainConfig) -> bool:
    """Is this weight of a model one of its backbone's, nano's whole encoder?"""
    if config.encoder["kind"] == "nano":
        return name.startswith("encoder.")
    return ".backbone." in f".{name}"


def _groups(model: OneStepModel, config: TrainConfig) -> list[dict[str, object]]:
    """Return parameter groups: decay on matrices only, an own rate for a pretrained backbone."""
    groups: dict[tuple[float, float], list[torch.Tensor]] = {}
    for name, p in model.named_parameters():
        if p.requires_grad:
            is_known = bool(config.pretrained_backbone or config.initial_checkpoint)
            is_backbone = is_known and is_of_backbone(name, config)
            rate = config.learning_rate * (config.backbone_rate_ratio if is_backbone else 1.0)
            decay = config.weight_decay if p.ndim >= 2 else 0.0
            groups.setdefault((rate, decay), []).append(p)
    return [
        {"params": list(members), "peak": rate, "weight_decay": decay}
        for (rate, decay), members in groups.items()
    ]
