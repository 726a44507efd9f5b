# SPDX-License-Identifier: Apache-2.0
"""The processes that share the batches of a run, and how they are started."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from onestep_vla_ros.core.errors import ConfigError, OneStepError
from onestep_vla_ros.train.memory import keep_pages
from onestep_vla_ros.train.train_config import TrainConfig

Work = Callable[["Team"], object]
"""What a helper process does; it can be pickled."""

PATIENCE = timedelta(minutes=10)
"""How long a process waits for the others; one that died is noticed at once."""
PATIENCE_ROLLOUTS = timedelta(hours=6)
"""The same where the first process plays episodes between two steps."""


@dataclass(frozen=True, slots=True)
class Team:
    """This process's place among the processes of a run.

    Attributes:
        rank: 0 writes all files and decides when to stop.
        size: Number of processes.
        device: Torch device of this process.
    """

    rank: int
    size: int
    device: str

    @property
    def reduce(self) -> Callable[[torch.Tensor], None] | None:
        """Sums a tensor over the processes in place; None for a process alone."""
        return _sum if self.size > 1 else None

    def meet(self) -> None:
        """Wait until every process is here."""
        if self.size > 1:
            dist.barrier()


def _sum(tensor: torch.Tensor) -> None:
    dist.all_reduce(tensor)


@contextmanager
def own_team(config: TrainConfig, work: Work) -> Iterator[Team]:
    """Start the other processes, which do `work`, and yield the first one's place.

    None outlives the block.

    Raises:
        ConfigError: Somebody else has started several processes already.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            "several processes were started from outside",
            got=f"WORLD_SIZE={os.environ['WORLD_SIZE']}",
            do="say launcher: accelerate in the training configuration, or start one process",
        )
    threads = torch.get_num_threads()
    folder = tempfile.mkdtemp(prefix="onestep-train-")
    store = str(Path(folder) / "store")
    context = multiprocessing.get_context("spawn")
    helpers = [
        context.Process(target=_help, args=(config, work, rank, store), daemon=True)
        for rank in range(1, config.processes)
    ]
    for helper in helpers:
        helper.start()
    try:
        with _group(config, 0, store) as team:
            yield team
    except RuntimeError as error:
        if any(helper.exitcode for helper in helpers):
            raise OneStepError(
                "a training process ended", got=str(error), do="run again to go on"
            ) from error
        raise
    finally:
        torch.set_num_threads(threads)
        for helper in helpers:
            helper.join(timeout=10.0)
            if helper.is_alive():
                helper.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _help(config: TrainConfig, work: Work, rank: int, store: str) -> None:
    """Run as helper process: the first process decides when to stop."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        with _group(config, rank, store) as team:
            work(team)
    except RuntimeError as error:  # the first process is gone: nothing is left to do
        raise SystemExit(f"training process {rank} ends: {error}") from None


@contextmanager
def _group(config: TrainConfig, rank: int, store: str) -> Iterator[Team]:
    torch.set_num_threads(config.threads)
    keep_pages()
    team = Team(rank, config.processes, config.device)
    if team.size == 1:
        yield team
        return
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group(
        "gloo",
        init_method=f"file://{store}",
        rank=rank,
        world_size=team.size,
        timeout=PATIENCE_ROLLOUTS if config.rollout_every else PATIENCE,
    )
    try:
        yield team
    finally:
        dist.destroy_process_group()


@contextmanager
def launched_team(config: TrainConfig) -> Iterator[Team]:
    """Yield this process's place in what `accelerate launch` (or torchrun) started.

    Accelerate gives each process its device and connects them (nccl between GPUs, gloo between
    CPUs); the step itself is the same as without it.

    Raises:
        ConfigError: accelerate is not installed, or started another number of processes.
    """
    try:
        from accelerate import Accelerator, InitProcessGroupKwargs
    except ImportError as error:
        raise ConfigError(
            "launcher accelerate needs the package accelerate",
            got=str(error),
            do="pip install 'onestep_vla_ros[gpus]', or say launcher: own",
        ) from None
    threads = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    keep_pages()
    patience = PATIENCE_ROLLOUTS if config.rollout_every else PATIENCE
    accelerator = Accelerator(
        cpu=config.device == "cpu", kwargs_handlers=[InitProcessGroupKwargs(timeout=patience)]
    )
    if accelerator.num_processes != config.processes:
        raise ConfigError(
            "accelerate launch started another number of processes than the configuration says",
            got=accelerator.num_processes,
            allowed=f"{config.processes} (processes)",
            do="make num_processes and processes the same; on CPUs launch with torchrun, because "
            "accelerate launch --cpu starts one process where MPI is missing",
        )
    device = "cpu" if accelerator.device.type == "cpu" else str(accelerator.device)
    try:
        yield Team(accelerator.process_index, config.processes, device)
    finally:
        torch.set_num_threads(threads)
        accelerator.end_training()
