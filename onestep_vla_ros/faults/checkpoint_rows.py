# SPDX-License-Identifier: Apache-2.0
"""Rows 29 and 30: checkpoints that are damaged, and checkpoints that would run code."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import safetensors.torch
import torch

from onestep_vla_ros.core.errors import CheckpointError
from onestep_vla_ros.faults.row import RowResult
from onestep_vla_ros.faults.sweep import Sweep, Tally
from onestep_vla_ros.files import shipped_checkpoint
from onestep_vla_ros.policy.checkpoint import STATS, WEIGHTS, load_checkpoint
from onestep_vla_ros.policy.manifest import write_manifest


def row_29(sweep: Sweep) -> RowResult:
    """A damaged checkpoint: `CheckpointError` that names the part, before a GPU is touched."""
    tally = Tally(29, None, sweep.make)
    for name, (damage, expected) in _DAMAGES.items():
        with _copy() as folder:
            damage(folder)
            began = time.perf_counter()
            message = _refusal(folder)
            tally.time(time.perf_counter() - began)
            tally.expect(expected in message, f"{name}: {message or 'was loaded'}")
            tally.expect(not torch.cuda.is_initialized(), f"{name}: the GPU was touched")
            tally.cases += 1
    return tally.result(f"the real loader on copies of the shipped one: {', '.join(_DAMAGES)}")


def row_30(sweep: Sweep) -> RowResult:
    """Pickle bytes under any name: refused, and the file they would make is not there.

    The payload is a live one: unpickling it opens a file for writing (test/faults proves that
    it would). It is written as bytes, for nothing that opens a checkpoint may import pickle.
    """
    tally = Tally(30, None, sweep.make)
    names = ("policy.pt", "pytorch_model.bin", "model.pkl", WEIGHTS, "extra.safetensors")
    for name in names:
        for form in ("pickle", "zip"):
            for is_listed in (True, False):
                with _copy() as folder:
                    trap = folder.parent / "touched"
                    _put(folder / name, form, trap)
                    if is_listed:  # whoever made it can make a manifest, too
                        write_manifest(folder)
                    message = _refusal(folder)
                    what = f"{form} as {name}{' in the manifest' if is_listed else ''}"
                    tally.expect(name in message, f"{what}: {message or 'was loaded'}")
                    tally.expect(not trap.exists(), f"{what}: its payload ran")
                    tally.cases += 1
    return tally.result(f"pickle and zip as {', '.join(names)}, with and without manifest")


def payload(trap: Path) -> bytes:
    """Return pickle bytes (protocol 0) that open `trap` for writing when they are loaded."""
    return b"cbuiltins\nopen\n(V" + str(trap).encode() + b"\nVw\ntR."


def binary_payload(trap: Path) -> bytes:
    """Return the same as protocol 2, which begins with the byte that pickles are known by."""
    return b"\x80\x02" + payload(trap)


@contextmanager
def _copy() -> Iterator[Path]:
    """Give a copy of the shipped checkpoint that may be spoilt."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "checkpoint"
        notes = shutil.ignore_patterns("*.csv", "*.png")  # may not stand in a manifest
        shutil.copytree(shipped_checkpoint(), folder, ignore=notes)
        yield folder


def _refusal(folder: Path) -> str:
    try:
        load_checkpoint(folder)
    except CheckpointError as error:
        return str(error)
    return ""


def _put(path: Path, form: str, trap: Path) -> None:
    data = binary_payload(trap)
    if form == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as file:
            file.writestr("archive/data.pkl", data)
        data = buffer.getvalue()
    path.write_bytes(data)


def _flip_bit(folder: Path) -> None:
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / WEIGHTS).write_bytes(data)


def _truncate(folder: Path) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: len(data) // 2])


def _wrong_hash(folder: Path) -> None:
    path = folder / "manifest.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data["files"][STATS]["sha256"] = "0" * 64
    path.write_text(json.dumps(data), encoding="utf-8")


def _no_statistics(folder: Path) -> None:
    (folder / STATS).unlink()
    write_manifest(folder)


def _reweigh(change: Callable[[dict[str, torch.Tensor]], None]) -> Callable[[Path], None]:
    """Return a damage that changes the tensors and makes the manifest right again."""

    def damage(folder: Path) -> None:
        tensors = safetensors.torch.load_file(folder / WEIGHTS)
        change(tensors)
        safetensors.torch.save_file(tensors, folder / WEIGHTS)
        write_manifest(folder)

    return damage


def _reshape(tensors: dict[str, torch.Tensor]) -> None:
    tensors["head.out.bias"] = torch.zeros(3)


def _nan(tensors: dict[str, torch.Tensor]) -> None:
    tensors["head.out.bias"][0] = torch.nan


_DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "bit flipped": (_flip_bit, WEIGHTS),
    "truncated": (_truncate, WEIGHTS),
    "wrong hash": (_wrong_hash, STATS),
    "wrong shape": (_reweigh(_reshape), "head.out.bias"),
    "NaN weight": (_reweigh(_nan), "head.out.bias"),
    "no statistics": (_no_statistics, STATS),
}
