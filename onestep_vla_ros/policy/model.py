# SPDX-License-Identifier: Apache-2.0
"""Encoder and flow head as one module, built from one configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch
from torch import nn

from onestep_vla_ros.core.errors import ConfigError, raise_all
from onestep_vla_ros.core.observation import CameraSpec
from onestep_vla_ros.core.parameter import from_mapping
from onestep_vla_ros.policy.encoder import Context, Text
from onestep_vla_ros.policy.flow_head import FlowHead, HeadConfig
from onestep_vla_ros.policy.nano_encoder import NanoConfig, NanoEncoder
from onestep_vla_ros.policy.pi0_encoder import Pi0Encoder, Pi0EncoderConfig
from onestep_vla_ros.policy.pi0_head import Pi0Head, Pi0HeadConfig
from onestep_vla_ros.policy.vlm_encoder import VlmConfig, VlmEncoder

ENCODERS: dict[str, tuple[type, type]] = {
    "nano": (NanoConfig, NanoEncoder),
    "vlm": (VlmConfig, VlmEncoder),
    "pi0": (Pi0EncoderConfig, Pi0Encoder),
}
"""Kind to configuration and module."""

OWN_HEADS: dict[str, tuple[type, type]] = {"pi0": (Pi0HeadConfig, Pi0Head)}
"""The kinds whose head is part of what was imported; all others have the flow head."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Architecture of a policy.

    Attributes:
        kind: A key of `ENCODERS`.
        encoder: Sizes of the encoder.
        head: Sizes of the head.
        cameras: Name and size of each image as the encoder reads it, in token order.
        state_dof: Entries of the state; 0 is as many as of an action.
    """

    kind: str
    encoder: NanoConfig | VlmConfig | Pi0EncoderConfig
    head: HeadConfig | Pi0HeadConfig
    cameras: tuple[CameraSpec, ...]
    state_dof: int = 0

    @property
    def text_ids(self) -> int:
        """Number of token ids the encoder knows."""
        if isinstance(self.encoder, NanoConfig):
            return self.encoder.vocabulary
        return self.encoder.vocabulary_size

    @property
    def action_dof(self) -> int:
        """Entries of an action; a head may decode more, which nobody executes."""
        return self.head.used if isinstance(self.head, Pi0HeadConfig) else self.head.dof

    def to_json(self) -> dict[str, object]:
        """Return encoder, head and cameras as JSON."""
        return {
            "encoder": {"kind": self.kind, **asdict(self.encoder)},
            "head": asdict(self.head),
            "cameras": {c.name: [c.height, c.width] for c in self.cameras},
            **({"state_dof": self.state_dof} if self.state_dof else {}),
        }

    @staticmethod
    def from_json(data: Mapping[str, object]) -> ModelConfig:
        """Return the architecture.

        Raises:
            ConfigError: Lists every fault.
        """
        faults: list[str] = []
        sections: dict[str, dict[str, object]] = {}
        for key in ("encoder", "head", "cameras"):
            value = data.get(key)
            sections[key] = value if isinstance(value, dict) else {}
            if not isinstance(value, dict) or not value:
                faults.append(f"{key}: got: {value!r}; allowed: a mapping")
        kind = str(sections["encoder"].get("kind"))
        rest = {k: v for k, v in sections["encoder"].items() if k != "kind"}
        encoder = head = None
        if kind not in ENCODERS:
            faults.append(f"encoder.kind: got: {kind!r}; allowed: {list(ENCODERS)}")
        else:
            encoder = _read(ENCODERS[kind][0], rest, "encoder", faults)
        head = _head(kind, sections["head"], faults)
        if isinstance(encoder, Pi0EncoderConfig) and isinstance(head, Pi0HeadConfig):
            faults += head.misfits(encoder)
        cameras = _cameras(sections["cameras"], faults)
        if isinstance(encoder, VlmConfig):
            edge = encoder.image_size
            faults += [
                f"cameras.{c.name}: got: {c.height}x{c.width}; allowed: {edge}x{edge}"
                for c in cameras
                if (c.height, c.width) != (edge, edge)
            ]
        state_dof = data.get("state_dof", 0)
        if type(state_dof) is not int or not 0 <= state_dof <= 64:
            faults.append(f"state_dof: got: {state_dof!r}; allowed: 0 to 64")
        raise_all(ConfigError, "model configuration", faults, "correct the entries named above")
        return ModelConfig(kind, encoder, head, cameras, state_dof)  # type: ignore[arg-type]


def _head(kind: str, section: dict[str, object], faults: list[str]) -> object:
    if kind in OWN_HEADS:
        return _read(OWN_HEADS[kind][0], section, "head", faults)
    # Checkpoints from before there was a choice name no objective and no prefix.
    return _read(HeadConfig, {"objective": "flow", "prefix": 0, **section}, "head", faults)


def _read(kind: type, mapping: dict[str, object], where: str, faults: list[str]) -> object:
    try:
        return from_mapping(kind, mapping, where)
    except ConfigError as error:
        faults.append(error.what)
        return None


def _cameras(section: dict[str, object], faults: list[str]) -> tuple[CameraSpec, ...]:
    cameras = []
    for name, size in section.items():
        is_pair = isinstance(size, list) and len(size) == 2
        if is_pair and all(type(x) is int and 16 <= x <= 2048 for x in size):  # type: ignore[union-attr]
            cameras.append(CameraSpec(name, *size))  # type: ignore[misc]
        else:
            faults.append(f"cameras.{name}: got: {size!r}; allowed: [height, width], 16 to 2048")
    return tuple(cameras)


class OneStepModel(nn.Module):
    """Images, text and state to condition tokens to the velocity of an action chunk."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        names = tuple(camera.name for camera in config.cameras)
        self.encoder = ENCODERS[config.kind][1](
            config.encoder, names, config.state_dof or config.head.dof
        )
        head = OWN_HEADS[config.kind][1] if config.kind in OWN_HEADS else FlowHead
        self.head = head(config.head, self.encoder.width)

    def encode(
        self, images: Mapping[str, torch.Tensor], text: Text, state: torch.Tensor
    ) -> Context:
        """Return the condition tokens; see `encoder.Encoder.encode`."""
        return self.encoder.encode(images, text, state)

    @property
    def parameter_count(self) -> int:
        """Number of weights."""
        return sum(p.numel() for p in self.parameters())
