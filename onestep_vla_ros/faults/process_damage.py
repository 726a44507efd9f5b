# SPDX-License-Identifier: Apache-2.0
"""Copies of the shipped checkpoint, damaged or replaced by pickles, for rows 29 and 30."""

from __future__ import annotations

import json
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

from onestep_vla_ros.files import shipped_checkpoint
from onestep_vla_ros.policy.manifest import MANIFEST, write_manifest

_WEIGHTS = "model.safetensors"
_STATS = "stats.json"
_NAN_HALF = b"\x00\x7e"
_NAN_SINGLE = b"\x00\x00\xc0\x7f"


def copy_checkpoint(parent: Path) -> Path:
    """Return a copy of the shipped checkpoint in `parent`, without what no manifest may name."""
    shipped, notes = shipped_checkpoint(), shutil.ignore_patterns("training_*")
    return shutil.copytree(shipped, parent / "checkpoint", ignore=notes)


def _flip(folder: Path) -> None:
    data = bytearray((folder / _WEIGHTS).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / _WEIGHTS).write_bytes(data)


def _cut(folder: Path) -> None:
    data = (folder / _WEIGHTS).read_bytes()
    (folder / _WEIGHTS).write_bytes(data[: len(data) // 2])


def _hash(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    manifest["files"][_STATS]["sha256"] = "0" * 64
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def _shape(folder: Path) -> None:
    header, body = _read(folder)
    name = next(name for name in header if name != "__metadata__" and header[name]["shape"])
    header[name]["shape"] = [1, *header[name]["shape"]]
    _write(folder, header, body)


def _nan(folder: Path) -> None:
    header, body = _read(folder)
    entry = next(e for n, e in header.items() if n != "__metadata__" and e["dtype"] in _NANS)
    begin = entry["data_offsets"][0]
    value = _NANS[entry["dtype"]]
    _write(folder, header, body[:begin] + value + body[begin + len(value) :])


def _no_statistics(folder: Path) -> None:
    (folder / _STATS).unlink()
    write_manifest(folder)


_NANS = {"F16": _NAN_HALF, "F32": _NAN_SINGLE}

DAMAGES: tuple[tuple[Callable[[Path], None], tuple[str, ...]], ...] = (
    (_flip, (_WEIGHTS, "sha256")),
    (_cut, (_WEIGHTS, "bytes")),
    (_hash, (_STATS,)),
    (_shape, (_WEIGHTS,)),
    (_nan, (_WEIGHTS, "NaN")),
    (_no_statistics, (_STATS,)),
)
"""What damages a checkpoint's folder, and words its refusal must hold.

Shape, NaN and statistics come with a manifest that fits: an attacker can hash, too.
"""


def payload(trap: Path) -> bytes:
    """Return a pickle that runs `touch trap` when loaded; its opcodes are written by hand."""
    return f"cposix\nsystem\n(S'touch {trap}'\ntR.".encode()


def _as_weights(folder: Path, *, trap: Path) -> None:
    (folder / _WEIGHTS).write_bytes(b"\x80\x02" + payload(trap))
    write_manifest(folder)


def _as_text_weights(folder: Path, *, trap: Path) -> None:
    (folder / _WEIGHTS).write_bytes(payload(trap))
    write_manifest(folder)


def _as_zip_weights(folder: Path, *, trap: Path) -> None:
    with zipfile.ZipFile(folder / _WEIGHTS, "w") as file:
        file.writestr("archive/data.pkl", b"\x80\x02" + payload(trap))
    write_manifest(folder)


def _beside(suffix: str) -> Callable[..., None]:
    def make(folder: Path, *, trap: Path) -> None:
        (folder / f"policy{suffix}").write_bytes(b"\x80\x02" + payload(trap))
        write_manifest(folder)

    return make


def _as_file(folder: Path, *, trap: Path) -> Path:
    path = folder.parent / "policy.pt"
    path.write_bytes(b"\x80\x02" + payload(trap))
    return path


FOREIGN: tuple[Callable[..., Path | None], ...] = (
    _as_weights,
    _as_text_weights,
    _as_zip_weights,
    _beside(".pt"),
    _beside(".bin"),
    _beside(".pkl"),
    _as_file,
)
"""What makes a checkpoint a pickle that touches `trap`; returns what to load instead of it."""


def _read(folder: Path) -> tuple[dict[str, dict], bytes]:  # type: ignore[type-arg]
    data = (folder / _WEIGHTS).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def _write(folder: Path, header: dict[str, dict], body: bytes) -> None:  # type: ignore[type-arg]
    text = json.dumps(header).encode()
    (folder / _WEIGHTS).write_bytes(struct.pack("<Q", len(text)) + text + body)
    write_manifest(folder)
