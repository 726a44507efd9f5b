# SPDX-License-Identifier: Apache-2.0
"""Training: demonstrations in, a checkpoint folder with its K table out.

With a step budget a run on one process is reproducible to the bit, interrupted or not.
With `max_minutes` the cosine follows the clock, so the number of steps depends on the
machine and bit-reproducibility is given up.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType

import numpy as np
import torch
import torch.distributed as dist

from onestep_vla_ros.core.errors import CheckpointError, ConfigError, OneStepError
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.files import read_yaml
from onestep_vla_ros.train.batches import Augmentation
from onestep_vla_ros.train.dataset import open_dataset
from onestep_vla_ros.train.held_out import held_out_loss, spread
from onestep_vla_ros.train.learner import Learner, read_facts
from onestep_vla_ros.train.progress import Progress
from onestep_vla_ros.train.run_setup import RunSetup, horizon_of, prepare, write_checkpoint
from onestep_vla_ros.train.train_config import BUDGET_KEYS, TrainConfig

STATE = "state.safetensors"
CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class TrainResult:
    """How a run ended.

    Attributes:
        step: Steps done so far.
        elapsed_s: Training time so far [s].
        is_finished: The budget is spent; otherwise it was interrupted and can go on.
        checkpoint: The folder that was written, when finished.
        rows: The held-out K table, when finished.
    """

    step: int
    elapsed_s: float
    is_finished: bool
    checkpoint: Path | None
    rows: tuple[dict[str, object], ...]


def load_train_config(path: Path) -> TrainConfig:
    """Return the run a YAML file describes.

    Raises:
        ConfigError: Lists every fault.
    """
    return from_mapping(TrainConfig, read_yaml(path), str(path))


def train(config: TrainConfig, data: Path, out: Path, *, resume: bool = True) -> TrainResult:
    """Train until the budget is spent, then write `out`/checkpoint.

    SIGINT and SIGTERM end the run after the present step with its state saved; the same
    call goes on from there.

    Args:
        config: The run.
        data: Folder of demonstrations.
        out: Folder for state, log, plot and checkpoint.
        resume: Go on from the state in `out` when there is one; False starts over.

    Raises:
        ConfigError: The configuration cannot be used, or differs from the state's.
        DatasetError: The demonstrations cannot be used.
        CheckpointError: The state file is damaged.
    """
    _open_folder(config, out, resume)
    open_dataset(
        data, horizon_of(config), config.waypoint_stride
    )  # faults and cache before any process starts
    threads = torch.get_num_threads()
    try:
        with _helpers(config, data, out) as store, _process_group(config, 0, store):
            return _run(config, data, out, 0)
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _helpers(config: TrainConfig, data: Path, out: Path) -> Iterator[str]:
    """Start the other processes and yield the file they meet at; none outlives the block."""
    folder = tempfile.mkdtemp(prefix="onestep-train-")
    store = str(Path(folder) / "store")
    context = multiprocessing.get_context("spawn")
    helpers = [
        context.Process(target=_worker, args=(config, data, out, rank, store), daemon=True)
        for rank in range(1, config.processes)
    ]
    for helper in helpers:
        helper.start()
    try:
        yield store
    except RuntimeError as error:
        if any(helper.exitcode for helper in helpers):
            raise OneStepError(
                "a training process ended", got=str(error), do="run again to go on"
            ) from error
        raise
    finally:
        for helper in helpers:
            helper.join(timeout=10.0)
            if helper.is_alive():
                helper.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _open_folder(config: TrainConfig, out: Path, resume: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    if not resume:
        (out / STATE).unlink(missing_ok=True)
        (out / "log.csv").unlink(missing_ok=True)
    if (out / STATE).is_file():
        _check_same_run(config, read_facts(out / STATE))


def export(config: TrainConfig, data: Path, out: Path) -> tuple[dict[str, object], ...]:
    """Write `out`/checkpoint from the state in `out`, also while a run goes on elsewhere.

    Returns:
        The rows of the held-out K table.
    """
    setup = prepare(config, data)
    learner = Learner(setup.model, config)
    facts = learner.restore(out / STATE)
    return write_checkpoint(
        config, setup, learner, out / CHECKPOINT, float(str(facts["elapsed_s"]))
    )


def _worker(config: TrainConfig, data: Path, out: Path, rank: int, store: str) -> None:
    """Run as helper process: the first process decides when to stop."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        with _process_group(config, rank, store):
            _run(config, data, out, rank)
    except RuntimeError as error:  # the first process is gone: nothing is left to do
        raise SystemExit(f"training process {rank} ends: {error}") from None


@contextmanager
def _process_group(config: TrainConfig, rank: int, store: str) -> Iterator[None]:
    torch.set_num_threads(config.threads)
    if config.processes == 1:
        yield
        return
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group(
        "gloo",
        init_method=f"file://{store}",
        rank=rank,
        world_size=config.processes,
        timeout=timedelta(minutes=10),
    )
    try:
        yield
    finally:
        dist.destroy_process_group()


@contextmanager
def _stop_request() -> Iterator[threading.Event]:
    """Yield an event that SIGINT and SIGTERM set; elsewhere than the main thread, nobody."""
    event = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        event.set()

    is_main = threading.current_thread() is threading.main_thread()
    signals = (signal.SIGINT, signal.SIGTERM) if is_main else ()
    old = {number: signal.signal(number, ask) for number in signals}
    try:
        yield event
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _run(config: TrainConfig, data: Path, out: Path, rank: int) -> TrainResult:
    setup = prepare(config, data)
    learner = Learner(setup.model, config, dist.all_reduce if config.processes > 1 else None)
    elapsed_s = 0.0
    if (out / STATE).is_file():
        elapsed_s = float(str(learner.restore(out / STATE)["elapsed_s"]))
    if rank > 0:
        _loop(config, setup, learner, out, elapsed_s, threading.Event(), None)
        return TrainResult(learner.step, elapsed_s, False, None, ())
    progress = Progress(out, config.batch, config.max_steps, learner.step)
    with _stop_request() as stop:
        try:
            elapsed_s = _loop(config, setup, learner, out, elapsed_s, stop, progress)
        finally:
            progress.close()
    if learner.progress(elapsed_s) < 1.0:
        return TrainResult(learner.step, elapsed_s, False, None, ())
    rows = write_checkpoint(config, setup, learner, out / CHECKPOINT, elapsed_s)
    return TrainResult(learner.step, elapsed_s, True, out / CHECKPOINT, rows)


def _loop(
    config: TrainConfig,
    setup: RunSetup,
    learner: Learner,
    out: Path,
    elapsed_s: float,
    stop: threading.Event,
    progress: Progress | None,
) -> float:
    """Train to the end of the budget or to a stop request; return the training time [s]."""
    rank = dist.get_rank() if config.processes > 1 else 0
    size = config.batch // config.processes
    augmentation = Augmentation(config.shift_px, config.colour_jitter)
    held = spread(setup.held, config.validation_frames)
    begin = time.monotonic() - elapsed_s
    while learner.progress(elapsed_s) < 1.0:
        step = learner.step
        indices = setup.batches.draw(setup.train, size, step, rank, config.processes, config.seed)
        rng = np.random.default_rng([config.seed, step, rank])
        batch = setup.batches.read(indices, augmentation, rng)
        generator = torch.Generator(batch.q.device).manual_seed(int(rng.integers(2**62)))
        update = learner.update(batch, generator, time.monotonic() - begin, stop.is_set())
        elapsed_s = update.elapsed_s
        is_last = update.is_stopped or learner.progress(elapsed_s) >= 1.0
        if progress is not None:
            progress.update(update)
            if is_last or learner.step % config.validate_every == 0:
                loss = held_out_loss(learner, setup.batches, held) if len(held) else None
                progress.log(learner.step, update, loss)
            if is_last or learner.step % config.save_every == 0:
                learner.save(out / STATE, {"elapsed_s": elapsed_s, "config": asdict(config)})
        if update.is_stopped:
            break
    return elapsed_s


def _check_same_run(config: TrainConfig, facts: dict[str, object]) -> None:
    """Refuse to go on from the state of a run that was configured otherwise."""
    old = facts.get("config")
    if not isinstance(old, dict):
        raise CheckpointError("training state names no configuration", do="start with --fresh")
    new = asdict(config)
    different = [
        f"{key}: {old.get(key)!r}, now {new[key]!r}"
        for key in new
        if key not in BUDGET_KEYS and old.get(key) != new[key]
    ]
    if different:
        raise ConfigError(
            "the state in the output folder is of a run configured otherwise",
            got="; ".join(different),
            allowed=f"only {list(BUDGET_KEYS)} may change",
            do="start over with --fresh or name another --out",
        )
