# SPDX-License-Identifier: Apache-2.0
"""Runs episodes of any cell in one process; worlds and weights are opened once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.core.joints import JOINT_NAMES
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.files import read_parameters
from onestep_vla_ros.policy.checkpoint import Checkpoint
from onestep_vla_ros.policy.policy import Effort, OneStepPolicy, load_policy
from onestep_vla_ros.sim.expert_policy import ExpertPolicy
from onestep_vla_ros.sim.rollout import Episode, Infer, Watch, run_episode
from onestep_vla_ros.sim.yam_station import CAMERAS, YamStation
from onestep_vla_ros.train.ablation import without
from onestep_vla_ros.train.cells import HANDOVERS, PREFIX, SPLICE, Cell


def resolve(cell: Cell) -> Cell:
    """Return `cell` with the checkpoint's own steps and noise where it leaves them open.

    Raises:
        CheckpointError: The checkpoint is missing, damaged or does not fit the station.
        ConfigError: Steps or noise cannot be used.
    """
    if cell.is_expert:
        return cell
    policy = load_policy(Path(cell.policy), steps=cell.steps, noise=cell.noise)
    contract = policy.contract
    if cell.handover == PREFIX and not policy.longest_prefix:
        raise ConfigError(
            f"{cell.policy} was not trained to go on from a prefix",
            got="head.prefix 0",
            allowed=f"handover {[h for h in HANDOVERS if h != PREFIX]}",
            do="train with head: {prefix: 8}",
        )
    contract.check(joint_names=JOINT_NAMES, cameras=CAMERAS, period_s=contract.period_s)
    span_s, allowed_s = contract.horizon * contract.period_s, _bridge().max_horizon_s
    if span_s > allowed_s + 1e-9:
        raise ConfigError(
            f"chunks of {cell.policy} are longer than the bridge takes",
            got=f"{contract.horizon} x {contract.period_s} s",
            allowed=f"{allowed_s} s (max_horizon_s in config/bridge.yaml)",
        )
    decoding = policy.checkpoint.decoding
    return replace(cell, steps=decoding.steps, noise=decoding.noise)


class Runner:
    """Runs one episode after the other; keeps the last world and the last checkpoint.

    Thread: one, the one that made it: it renders.
    """

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self._config = _bridge()
        self._world: YamStation | None = None
        self._checkpoint: tuple[str, Checkpoint] | None = None
        self._policy: tuple[Cell, OneStepPolicy] | None = None

    def run(self, cell: Cell, seed: int, watch: Watch | None = None) -> Episode:
        """Run the episode that `seed` names in a resolved cell.

        Args:
            cell: From `resolve`.
            seed: Of the scene and of the decoder's noise, so cells are paired.
            watch: Sees the command of every tick, before it is executed.
        """
        world = self._world_of(cell)
        infer, sees = self._infer_of(cell, world, seed)
        cameras = None if sees else ()
        config = _bridge_of(cell, self._config)
        if cell.is_expert:
            return run_episode(world, infer, config, seed, cell.timing, cameras, watch)
        efforts: list[Effort] = []
        infer = _noting(infer, self._policy_of(cell), efforts)
        period_s = self._policy_of(cell).contract.period_s if cell.handover == PREFIX else 0.0
        timing = replace(cell.timing, given_period_s=period_s)
        episode = run_episode(world, infer, config, seed, timing, cameras, watch)
        episode.evaluations = sum(effort.evaluations for effort in efforts)
        episode.more_steps = sum(effort.steps > 1 for effort in efforts)
        return episode

    def drive(
        self, world: YamStation, cell: Cell, seed: int, duration_s: float, watch: Watch
    ) -> Episode:
        """Run the beginning of an episode in a world of the caller's, up to `duration_s`."""
        infer, _ = self._infer_of(cell, world, seed)
        timing = replace(cell.timing, timeout_s=duration_s)
        config = _bridge_of(cell, self._config)
        return run_episode(world, infer, config, seed, timing, watch=watch)

    @property
    def world(self) -> YamStation:
        """The world of the last episode."""
        assert self._world is not None  # noqa: S101 - there was an episode
        return self._world

    def close(self) -> None:
        """Free the world."""
        if self._world is not None:
            self._world.close()
            self._world = None

    def _world_of(self, cell: Cell) -> YamStation:
        world = self._world
        if world is None or (world.task, world.axis) != (cell.task, cell.axis):
            self.close()
            world = self._world = YamStation(cell.task, cell.axis)
        return world

    def _infer_of(self, cell: Cell, world: YamStation, seed: int) -> tuple[Infer, bool]:
        """Return what answers observations, and whether it looks at pictures."""
        if cell.is_expert:
            return ExpertPolicy(world).infer, False
        policy = self._policy_of(cell)
        policy.reseed(seed)
        return without(cell.ablation, policy), cell.ablation != "image"

    def _policy_of(self, cell: Cell) -> OneStepPolicy:
        if self._policy is not None and _decoded_alike(self._policy[0], cell):
            return self._policy[1]
        if self._checkpoint is None or self._checkpoint[0] != cell.policy:
            self._checkpoint = cell.policy, load_policy(Path(cell.policy)).checkpoint
        checkpoint = self._checkpoint[1]
        assert cell.steps is not None  # noqa: S101 - a resolved cell
        assert cell.noise is not None  # noqa: S101
        decoding = replace(checkpoint.decoding, steps=cell.steps, noise=cell.noise)
        policy = OneStepPolicy(replace(checkpoint, decoding=decoding))
        policy.warm_up()
        self._policy = cell, policy
        return policy


def _noting(infer: Infer, policy: OneStepPolicy, efforts: list[Effort]) -> Infer:
    """Return `infer`, which asks `policy`, with every answer's effort added to `efforts`."""

    def noting(*asked: object) -> Chunk:
        chunk = infer(*asked)
        assert policy.effort is not None  # noqa: S101 - there was an answer
        efforts.append(policy.effort)
        return chunk

    return noting


def _decoded_alike(one: Cell, other: Cell) -> bool:
    return (one.policy, one.steps, one.noise) == (other.policy, other.steps, other.noise)


def _bridge_of(cell: Cell, config: BridgeConfig) -> BridgeConfig:
    """Return the bridge's parameters in a cell: hand-over and age limits may be its own."""
    config = replace(config, handover=SPLICE if cell.handover == PREFIX else cell.handover)
    if cell.max_age_s is None:
        return config
    # a plan stays in force until the next chunk, whose observation may be as old
    plan_s = max(config.max_plan_age_s, 2.0 * cell.max_age_s)
    return replace(config, max_observation_age_s=cell.max_age_s, max_plan_age_s=plan_s)


def _bridge() -> BridgeConfig:
    return from_mapping(BridgeConfig, read_parameters("bridge.yaml"), "config/bridge.yaml")
