# SPDX-License-Identifier: Apache-2.0
import dataclasses
import io
import json
import pickle
import shutil
import zipfile

import pytest
import safetensors.torch
import torch

from onestep_vla_ros.core.errors import CheckpointError
from onestep_vla_ros.policy.calibration import Calibration
from onestep_vla_ros.policy.checkpoint import (
    WEIGHTS,
    load_checkpoint,
    save_checkpoint,
    save_decoding,
)
from onestep_vla_ros.policy.decoder import Decoding
from onestep_vla_ros.policy.manifest import HEADER_CAP, write_manifest
from onestep_vla_ros.policy.tokenizer import load_tokenizer


@pytest.fixture(scope="module")
def saved(nano, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "checkpoint"
    save_checkpoint(folder, nano)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "copy")


def _refused(folder, *parts):
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(folder)
    for part in parts:
        assert part in str(caught.value)
    return str(caught.value)


def _edit(path, **changes):
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | changes))


def test_round_trip_keeps_every_weight_and_document(either, tmp_path):
    save_checkpoint(tmp_path / "c", either)
    back = load_checkpoint(tmp_path / "c")
    ours, theirs = either.model.state_dict(), back.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert back.contract.to_json() == either.contract.to_json()
    assert back.normalizer.to_json() == either.normalizer.to_json()
    assert back.tokenizer.encode("put the red cube") == either.tokenizer.encode("put the red cube")
    assert back.decoding == either.decoding


def test_saving_again_replaces_the_old_one_and_leaves_nothing_beside(nano, folder):
    save_checkpoint(folder, nano)
    load_checkpoint(folder)
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_saving_over_a_folder_of_other_things_is_refused(nano, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        save_checkpoint(tmp_path, nano)
    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_missing_folder_is_refused(tmp_path):
    _refused(tmp_path / "nothing", "missing", "do:")


@pytest.mark.parametrize("where", [10, 5000, -1])
def test_one_flipped_bit_of_the_weights_is_refused(folder, where):
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[where] ^= 1
    (folder / WEIGHTS).write_bytes(data)
    _refused(folder, WEIGHTS, "sha256")


def test_truncated_weights_are_refused(folder):
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: len(data) // 2])
    _refused(folder, WEIGHTS, "bytes")


def test_changed_statistics_are_refused(folder):
    text = (folder / "stats.json").read_text()
    (folder / "stats.json").write_text(text.replace("0.", "1.", 1))
    _refused(folder, "stats.json: content changed")


class _Touch:
    """Unpickling this writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def _torch_zip(path, payload):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/data.pkl", payload)
    path.write_bytes(buffer.getvalue())


@pytest.mark.parametrize("form", ["pickle", "zip", "ascii"])
@pytest.mark.parametrize("name", [WEIGHTS, "tokenizer/tokenizer.json", "extra.pt"])
def test_pickles_are_refused_and_never_opened(folder, tmp_path, form, name):
    trap = tmp_path / "touched"
    payload = pickle.dumps(_Touch(trap), protocol=0 if form == "ascii" else 4)
    if form == "zip":
        _torch_zip(folder / name, payload)
    else:
        (folder / name).write_bytes(payload)
    write_manifest(folder)  # the attacker can hash, too
    _refused(folder, name.split("/")[0])
    assert not trap.exists()


def test_foreign_file_that_nobody_listed_is_refused(folder):
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps([1]))
    _refused(folder, "pytorch_model.bin: not in manifest.json; got: pickle")


def test_notes_beside_the_weights_are_ignored(folder):
    (folder / "README.md").write_text("how this was made")
    load_checkpoint(folder)


def test_header_larger_than_the_cap_is_refused(folder):
    (folder / WEIGHTS).write_bytes((HEADER_CAP + 1).to_bytes(8, "little") + b"{" * 64)
    write_manifest(folder)
    _refused(folder, "header")


def _reweigh(folder, change):
    tensors = safetensors.torch.load_file(folder / WEIGHTS)
    change(tensors)
    safetensors.torch.save_file(tensors, folder / WEIGHTS)
    write_manifest(folder)


def test_nan_in_the_weights_is_refused(folder):
    _reweigh(folder, lambda t: t["head.out.bias"].fill_(float("nan")))
    _refused(folder, "head.out.bias holds NaN")


def test_wrong_shape_type_and_names_are_all_listed(folder):
    def change(tensors):
        tensors["head.out.bias"] = torch.zeros(3)
        tensors["head.norm.bias"] = tensors["head.norm.bias"].double()
        tensors["stranger"] = tensors.pop("head.norm.weight")

    _reweigh(folder, change)
    _refused(
        folder, "head.out.bias: got: float32 [3]", "F64", "head.norm.weight: missing", "stranger"
    )


def test_missing_parts_are_all_listed(folder):
    (folder / "stats.json").unlink()
    (folder / "contract.json").unlink()
    _refused(folder, "stats.json: missing", "contract.json: missing")


def test_missing_manifest_is_refused(folder):
    (folder / "manifest.json").unlink()
    _refused(folder, "manifest.json: missing")


def test_path_outside_the_folder_is_refused(folder):
    data = json.loads((folder / "manifest.json").read_text())
    data["files"]["../../secret.json"] = {"bytes": 1, "sha256": "0"}
    (folder / "manifest.json").write_text(json.dumps(data))
    _refused(folder, "outside the folder")


def test_documents_that_contradict_each_other_are_all_listed(folder):
    _edit(folder / "contract.json", horizon=9, cameras={"front": [4, 4]})
    _edit(folder / "config.json", format="other/1")
    write_manifest(folder)
    _refused(folder, "horizon", "front", "other/1")


def test_unknown_encoder_and_bad_sizes_are_one_error(folder):
    _edit(folder / "config.json", encoder={"kind": "huge"}, head={"horizon": "long"})
    write_manifest(folder)
    _refused(folder, "huge", "nano", "horizon", "width: missing")


def test_broken_json_is_one_error(folder):
    (folder / "contract.json").write_text("{")
    write_manifest(folder)
    assert "Traceback" not in _refused(folder, "contract.json", "no JSON")


def test_tokenizer_with_more_ids_than_the_encoder_knows_is_refused(folder):
    tokenizer = load_tokenizer(folder / "tokenizer")
    tokenizer.add_tokens([f"<extra{i}>" for i in range(400)])
    tokenizer.save_pretrained(str(folder / "tokenizer"))
    write_manifest(folder)
    _refused(folder, "tokenizer", "ids")


DECODING = Decoding(2, "seeded", calibration=Calibration(0.3, 0.1, 0.95, 640))


def test_calibration_survives_saving_and_loading(nano, tmp_path):
    for decoding in (DECODING, dataclasses.replace(DECODING, steps="auto")):
        save_checkpoint(tmp_path / "c", dataclasses.replace(nano, decoding=decoding))
        assert load_checkpoint(tmp_path / "c").decoding == decoding


def test_checkpoint_from_before_there_was_a_calibration_loads_without_one(folder):
    section = json.loads((folder / "config.json").read_text())["decoding"]
    assert section == {"steps": 1, "noise": "zero"}
    assert load_checkpoint(folder).decoding.calibration is None


def test_writing_the_decoding_leaves_everything_else_as_it_was(folder):
    (folder / "training_log.csv").write_text("step,loss")

    def others():
        paths = (p for p in folder.rglob("*") if p.is_file())
        return {p: p.read_bytes() for p in paths if p.name not in ("config.json", "manifest.json")}

    before, config = others(), json.loads((folder / "config.json").read_text())
    save_decoding(folder, DECODING)
    assert load_checkpoint(folder).decoding == DECODING
    assert others() == before
    after = json.loads((folder / "config.json").read_text())
    assert {**after, "decoding": None} == {**config, "decoding": None}
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_writing_the_decoding_does_not_make_damage_look_whole(folder):
    with (folder / "contract.json").open("a") as file:
        file.write(" ")
    with pytest.raises(CheckpointError, match=r"contract\.json"):
        save_decoding(folder, DECODING)
    _refused(folder, "contract.json")


@pytest.mark.parametrize(
    ("calibration", "named"),
    [
        ({"threshold": -1.0, "median": 0.1, "quantile": 2.0, "frames": 0}, "threshold: got: -1.0"),
        ({"threshold": 0.1}, "frames: missing"),
        ([], "missing"),
        (0.3, "decoding"),
    ],
)
def test_damaged_calibration_is_refused(folder, calibration, named):
    decoding = {"steps": 1, "noise": "zero", "calibration": calibration}
    _edit(folder / "config.json", decoding=decoding)
    write_manifest(folder)
    _refused(folder, "config.json", named)
