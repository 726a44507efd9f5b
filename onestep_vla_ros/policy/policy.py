# SPDX-License-Identifier: Apache-2.0
"""The policy: an observation in, an action chunk out."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.errors import ConfigError, ObservationError
from onestep_vla_ros.core.observation import Observation
from onestep_vla_ros.policy.checkpoint import Checkpoint, load_checkpoint
from onestep_vla_ros.policy.contract import Contract
from onestep_vla_ros.policy.decoder import Decoder
from onestep_vla_ros.policy.description import describe, held_out_rows
from onestep_vla_ros.policy.encoder import Text
from onestep_vla_ros.policy.images import resize_tensor
from onestep_vla_ros.policy.prefix import continued
from onestep_vla_ros.policy.tokenizer import tokenize

TEXT_CACHE = 32
"""Instructions whose tokens are kept."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Where the last call spent its time [s].

    Attributes:
        prepare_s: Checking, resizing and moving images, text tokens.
        encode_s: Images, text and state to condition tokens and their keys and values.
        decode_s: The K decoder steps and the way back to radians.
    """

    prepare_s: float
    encode_s: float
    decode_s: float


@dataclass(frozen=True, slots=True)
class Effort:
    """What the last answer took.

    Attributes:
        steps: Decoder steps K of the answer.
        evaluations: Evaluations of the head, those that measure the ambiguity included.
        ambiguity: `ambiguity.gap` of the observation; None where nobody asked for it.
    """

    steps: int
    evaluations: int
    ambiguity: float | None


class OneStepPolicy:
    """One-step policy over a loaded checkpoint.

    Thread: one caller at a time; it may be another thread than the loader's.

    Args:
        checkpoint: From `load_checkpoint`; its `decoding` says how chunks are decoded.
        device: Torch device, for example "cpu" or "cuda:0".
        is_measured: Say the ambiguity of every observation; at "auto" it is known anyway.

    Attributes:
        latency: Of the last call; None before the first, as `effort`.
        effort: Of the last call.
    """

    def __init__(
        self, checkpoint: Checkpoint, device: str = "cpu", is_measured: bool = False
    ) -> None:
        self.device = _device(device)
        self.checkpoint = checkpoint
        self.latency: Latency | None = None
        self.effort: Effort | None = None
        self._model = checkpoint.model.to(self.device).eval()
        self._normalizer = checkpoint.normalizer.to(self.device)
        self._decoder = Decoder(checkpoint.decoding, is_measured)
        self._texts: dict[str, Text] = {}

    @property
    def contract(self) -> Contract:
        """What the robot must be."""
        return self.checkpoint.contract

    @property
    def noise_leak(self) -> float | None:
        """Mean square by which two one-step answers differ that differ by their noise alone.

        E‖â(ε) − â(ε′)‖² a dimension, normalised, on held-out frames; None without their table.
        It tells whether the training was enough, not what the scene is like, so it is not
        measured again at every chunk: two draws say little, and the default draws none.
        """
        rows = held_out_rows(self.checkpoint)
        found = [r for r in rows if (r["steps"], r["noise"]) == (1, "sampled")]
        return float(found[0]["noise_leak"]) if found else None

    def reseed(self, seed: int) -> None:
        """Start the noise of seeded, sampled and mean_k again from `seed`."""
        decoding = replace(self.checkpoint.decoding, seed=seed)
        self._decoder = Decoder(decoding, self._decoder.is_measured)

    @property
    def longest_prefix(self) -> int:
        """Most waypoints of the running plan that `infer` goes on from; 0 without training."""
        return self._model.head.config.prefix

    @torch.inference_mode()
    def infer(self, obs: Observation, given: NDArray[np.float64] | None = None) -> Chunk:
        """Return the chunk of waypoints for `obs`, stamped with its oldest part.

        Args:
            obs: What was seen.
            given: The first waypoints, (d, D) [rad, gripper 0..1], where the arms are bound to
                go while this call takes its time; the chunk begins with them. Of more than
                `longest_prefix` the first are taken; () and None leave the chunk free.

        Raises:
            ObservationError: A camera is missing or of another size than the contract's, the
                state is of another robot, the instruction is too long for the checkpoint, or
                `given` has another form.
        """
        begin = time.perf_counter()
        self._check_state(obs)
        images = {c.name: self._image(obs, i) for i, c in enumerate(self.contract.cameras)}
        text = self._text(obs.instruction)
        q = torch.tensor(obs.q, dtype=torch.float32, device=self.device).unsqueeze(0)
        prepared = time.perf_counter()
        head = self._model.head
        state = self._normalizer.encode_state(q)
        known = self._given(given, q)
        memory = head.prepare(self._model.encode(images, text, state))
        self._wait()
        encoded = time.perf_counter()
        flow = head.flow(memory)
        if known is not None:
            flow = continued(flow, known)
        found = self._decoder.decode(flow, 1, head.config.horizon, head.config.dof, q.device)
        x = self._normalizer.decode_action(found.chunk, q)
        chunk = x[0].cpu().numpy().astype(np.float64)
        ambiguity = None if found.ambiguity is None else float(found.ambiguity)
        self.effort = Effort(int(found.steps), int(found.evaluations), ambiguity)
        done = time.perf_counter()
        self.latency = Latency(prepared - begin, encoded - prepared, done - encoded)
        return Chunk(self.contract.embodiment.clip(chunk), obs.stamp_s, self.contract.period_s)

    def warm_up(self) -> None:
        """Run two inferences on grey pictures, so that the first real one is fast."""
        images = {
            c.name: np.full((c.height, c.width, 3), 128, np.uint8) for c in self.contract.cameras
        }
        stamps = dict.fromkeys(images, 0.0)
        sentence = self.contract.instruction_examples[0]
        start = self.contract.start_q_mean
        decoder = self._decoder
        for _ in range(2):
            self.infer(Observation(images, stamps, start, np.zeros_like(start), 0.0, sentence))
        self._decoder = Decoder(decoder.decoding, decoder.is_measured)

    def describe(self) -> str:
        """Return contract, size and the held-out K table as text for people."""
        return describe(self.checkpoint)

    def _given(self, given: NDArray[np.float64] | None, q: torch.Tensor) -> torch.Tensor | None:
        """Return the first waypoints normalised, (1, d, D); None when there is nothing to say."""
        if given is None or not len(given) or not self.longest_prefix:
            return None
        dof = self._model.head.config.dof
        if given.ndim != 2 or given.shape[1] != dof or not np.isfinite(given).all():
            raise ObservationError(
                "waypoints to go on from",
                got=f"shape {given.shape}, finite: {bool(np.isfinite(given).all())}",
                allowed=f"finite numbers (d, {dof})",
            )
        first = torch.tensor(given[: self.longest_prefix], dtype=torch.float32, device=q.device)
        return self._normalizer.encode_action(first.unsqueeze(0), q)

    def _check_state(self, obs: Observation) -> None:
        wanted = self.contract.embodiment.state_names
        if len(obs.q) != len(wanted):
            raise ObservationError(
                "state does not fit the checkpoint",
                got=f"{len(obs.q)} numbers",
                allowed=f"{len(wanted)}: {', '.join(wanted)}",
                do="use a checkpoint trained for this robot",
            )

    def _image(self, obs: Observation, index: int) -> torch.Tensor:
        native = self.contract.cameras[index]
        model = self._model.config.cameras[index]
        image = obs.images.get(native.name)
        if image is None or image.shape != (native.height, native.width, 3):
            raise ObservationError(
                f"image of camera {native.name!r} does not fit the checkpoint",
                got="none" if image is None else f"{image.shape[0]}x{image.shape[1]}",
                allowed=f"{native.height}x{native.width} (height x width)",
            )
        # One copy: torch refuses to share the observation's read-only memory.
        tensor = torch.from_numpy(np.array(image)).unsqueeze(0).permute(0, 3, 1, 2)
        return resize_tensor(tensor, (model.height, model.width)).to(self.device)

    def _text(self, sentence: str) -> Text:
        text = self._texts.get(sentence)
        if text is None:
            limit = self._model.config.encoder.max_tokens
            raw = tokenize(self.checkpoint.tokenizer, [sentence], limit)
            text = Text(raw.ids.to(self.device), raw.mask.to(self.device))
            if len(self._texts) >= TEXT_CACHE:
                self._texts.pop(next(iter(self._texts)))
            self._texts[sentence] = text
        return text

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def load_policy(
    folder: Path,
    *,
    steps: int | str | None = None,
    noise: str | None = None,
    seed: int = 0,
    device: str = "cpu",
    is_measured: bool = False,
) -> OneStepPolicy:
    """Return the policy in a checkpoint folder.

    Args:
        folder: Written by `save_checkpoint`.
        steps: Decoder steps K, or "auto"; None takes the checkpoint's own.
        noise: zero | seeded | sampled | mean_k; None takes the checkpoint's own.
        seed: Seed of the noise.
        device: Torch device.
        is_measured: Say the ambiguity of every observation.

    Raises:
        CheckpointError: The folder is missing or damaged; lists every fault.
        ConfigError: Steps, noise, seed or device cannot be used; "auto" without a calibration.
    """
    checkpoint = load_checkpoint(Path(folder))
    own = checkpoint.decoding
    decoding = replace(
        own,
        steps=own.steps if steps is None else steps,
        noise=own.noise if noise is None else noise,
        seed=seed,
    )
    return OneStepPolicy(replace(checkpoint, decoding=decoding), device, is_measured)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device {name!r} cannot be used",
            got=str(error).splitlines()[0],
            allowed="cpu" + (", cuda:N" if torch.cuda.is_available() else ""),
        ) from None
    return device
