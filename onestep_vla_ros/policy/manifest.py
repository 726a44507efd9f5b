# SPDX-License-Identifier: Apache-2.0
"""The manifest of a checkpoint: which bytes belong to it, checked before any is used."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

MANIFEST = "manifest.json"
MANIFEST_FORMAT = "onestep-vla-manifest/0"
SUFFIXES = (".safetensors", ".json", ".txt", ".jinja", ".model")
"""Suffixes of files a checkpoint may hold; `.model` is a sentencepiece vocabulary."""
NOTES = (".md", ".png", ".csv")
"""Suffixes of files that may lie beside it unlisted and are never read."""
HEADER_CAP = 16 * 2**20
"""Largest safetensors header [bytes]."""
JSON_CAP = 64 * 2**20
"""Largest JSON file [bytes]."""
FOREIGN = ((b"\x80", "pickle"), (b"PK\x03\x04", "a zip archive, as torch.save writes"))
DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "BOOL": "bool"}


def write_json(path: Path, data: Mapping[str, object]) -> None:
    """Write `data`; a number that is not finite is refused by the JSON encoder."""
    text = json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def write_manifest(folder: Path) -> None:
    """Write size and sha256 of every file in `folder`."""
    files = {
        path.relative_to(folder).as_posix(): _entry(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    write_json(folder / MANIFEST, {"format": MANIFEST_FORMAT, "files": files})


def relist(folder: Path, name: str) -> None:
    """Write size and sha256 of the file `name` anew; all others stay as they were listed."""
    data = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    data["files"][name] = _entry(folder / name)
    write_json(folder / MANIFEST, data)


def _entry(path: Path) -> dict[str, object]:
    return {"bytes": path.stat().st_size, "sha256": sha256(path)}


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def verify_files(folder: Path, required: Sequence[str]) -> list[str]:
    """Return every fault of the files in `folder` against its manifest, one line each."""
    faults: list[str] = []
    listed = _read_manifest(folder / MANIFEST, faults)
    faults += [f"{n}: missing from {MANIFEST}" for n in required if listed and n not in listed]
    names = set(listed) | set(required)
    for name in sorted(names):
        path = folder / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            faults.append(f"{name}: got: a path outside the folder")
        elif not path.is_file():
            faults.append(f"{name}: missing")
        else:
            faults += _file_faults(path, name, listed.get(name))
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in names and name != MANIFEST and path.suffix not in NOTES:
            kind = _foreign(path)
            faults.append(f"{name}: not in {MANIFEST}" + (f"; got: {kind}" if kind else ""))
    return faults


def _read_manifest(path: Path, faults: list[str]) -> dict[str, dict[str, object]]:
    if not path.is_file():
        faults.append(f"{MANIFEST}: missing")
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        files = data["files"]
        if data["format"] != MANIFEST_FORMAT or not all(
            isinstance(v, dict) for v in files.values()
        ):
            raise KeyError("format")
    except (ValueError, KeyError, TypeError, AttributeError):
        faults.append(f"{MANIFEST}: got: no manifest; allowed: {MANIFEST_FORMAT}")
        return {}
    return files


def _foreign(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(4)
    return next((kind for magic, kind in FOREIGN if head.startswith(magic)), "")


def _file_faults(path: Path, name: str, entry: dict[str, object] | None) -> list[str]:
    if path.suffix not in SUFFIXES:
        return [f"{name}: got: suffix {path.suffix!r}; allowed: {list(SUFFIXES)}"]
    kind = _foreign(path)
    if kind and not (kind == "pickle" and path.suffix == ".safetensors" and _has_header(path)):
        return [f"{name}: got: {kind}; allowed: safetensors and JSON only"]
    size = path.stat().st_size
    if path.suffix == ".json" and size > JSON_CAP:
        return [f"{name}: got: {size} bytes; allowed: at most {JSON_CAP}"]
    if entry is None:
        return []
    if size != entry.get("bytes"):
        return [f"{name}: got: {size} bytes; allowed: {entry.get('bytes')} as in {MANIFEST}"]
    if sha256(path) != entry.get("sha256"):
        return [f"{name}: content changed: its sha256 is not the one in {MANIFEST}"]
    return []


def _has_header(path: Path) -> bool:
    return isinstance(read_header(path), dict)


def read_header(path: Path) -> dict[str, dict[str, object]] | str:
    """Return the header of a safetensors file, or what is wrong with it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        if len(start) < 8:
            return f"got: {size} bytes; allowed: a safetensors file"
        (length,) = struct.unpack("<Q", start)
        if length > HEADER_CAP or length + 8 > size:
            return f"got: a header of {length} bytes; allowed: at most {HEADER_CAP}"
        raw = file.read(length)
    if not raw.startswith(b"{"):
        return "got: no safetensors header (magic byte '{' missing)"
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError):
        return "got: a header that is no JSON"
    if not isinstance(header, dict) or not all(isinstance(v, dict) for v in header.values()):
        return "got: a header that is no mapping of tensors"
    return {k: v for k, v in header.items() if k != "__metadata__"}


def weight_faults(path: Path, wanted: Mapping[str, tuple[tuple[int, ...], str]]) -> list[str]:
    """Return every fault of a weight file's header, one line each.

    Args:
        path: A safetensors file; missing is reported elsewhere.
        wanted: Tensor name to (shape, type).
    """
    if not path.is_file():
        return []
    header = read_header(path)
    if isinstance(header, str):
        return [f"{path.name}: {header}"]
    faults = [f"{path.name}: {n}: missing" for n in wanted if n not in header]
    faults += [f"{path.name}: {n}: unknown tensor" for n in header if n not in wanted]
    for name, (shape, dtype) in wanted.items():
        if name in header:
            entry = header[name]
            got = (entry.get("shape"), DTYPES.get(str(entry.get("dtype")), entry.get("dtype")))
            if got != (list(shape), dtype):
                faults.append(
                    f"{path.name}: {name}: got: {got[1]} {got[0]}; allowed: {dtype} {list(shape)}"
                )
    return faults
