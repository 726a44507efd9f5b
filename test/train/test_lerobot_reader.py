# SPDX-License-Identifier: Apache-2.0
"""Whatever is broken in a dataset, one error names the file and the field."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_demos import FRAMES, SIZES, square, write_dataset

from onestep_vla_ros.core.errors import DatasetError
from onestep_vla_ros.train.dataset import open_dataset
from onestep_vla_ros.train.lerobot_video import write_videos

DATA = "data/chunk-000/file-000.parquet"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
TOP = "videos/observation.images.top/chunk-000/file-{:03d}.mp4"


def _refused(folder):
    with pytest.raises(DatasetError) as caught:
        open_dataset([folder], 6, SIZES)
    assert not list(folder.glob(".cache/*"))
    return str(caught.value)


def _json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def _column(path, name, change):
    """Replace a column of a parquet file by `change` of its values as an array."""
    table = pq.ParquetFile(path).read()
    column = table[name].combine_chunks()
    is_list = pa.types.is_fixed_size_list(column.type)
    values = (column.flatten() if is_list else column).to_numpy(zero_copy_only=False).copy()
    values = change(values.reshape(len(column), -1) if is_list else values)
    new = pa.array(values.reshape(-1))
    if is_list:
        new = pa.FixedSizeListArray.from_arrays(new, values.shape[1])
    pq.write_table(table.set_column(table.column_names.index(name), name, new), path)


def _set(row, value):
    def change(values):
        values[row] = value
        return values

    return change


def test_a_whole_dataset_is_accepted(demos):
    assert len(open_dataset([demos], 6, SIZES).q) == 120


@pytest.mark.parametrize("name", [DATA, EPISODES, "meta/tasks.parquet"])
def test_a_truncated_parquet_file_is_named(demos, name):
    path = demos / name
    path.write_bytes(path.read_bytes()[:-100])
    assert f"{path}: cannot be read" in _refused(demos)


@pytest.mark.parametrize("name", ["meta/info.json", "meta/stats.json", "meta/onestep.json"])
def test_a_damaged_or_missing_json_file_is_named(demos, name):
    path = demos / name
    path.write_text(path.read_text()[:40])
    assert f"{path}: cannot be read" in _refused(demos)
    path.unlink()
    text = _refused(demos)
    assert f"{path}: " in text
    assert "issing" in text or "No such file" in text


def test_a_flipped_bit_in_a_parquet_file_is_found(demos):
    path = demos / DATA
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0x10
    path.write_bytes(content)
    assert str(path) in _refused(demos)


def test_a_missing_video_is_named(demos):
    (demos / TOP.format(3)).unlink()
    assert f"{demos / TOP.format(3)}: missing" in _refused(demos)


def test_a_video_that_is_none_is_named(demos):
    path = demos / TOP.format(3)
    path.write_bytes(path.read_bytes()[:200])
    assert f"{path}: cannot be read" in _refused(demos)


def test_a_video_with_too_few_frames_is_named(demos):
    write_videos({demos / TOP.format(3): square(0.5, (48, 64), FRAMES - 1)})
    assert f"{demos / TOP.format(3)}: frames: got: 11; allowed: 12" in _refused(demos)


def test_a_video_of_another_size_is_named(demos):
    write_videos({demos / TOP.format(3): square(0.5, (32, 64))})
    assert f"{demos / TOP.format(3)}: size: got: 32x64; allowed: 48x64" in _refused(demos)


def test_a_video_of_another_episode_shows_in_the_statistics(demos):
    write_videos({demos / TOP.format(3): np.zeros((FRAMES, 48, 64, 3), np.uint8)})
    assert f"{demos}/meta/stats.json: observation.images.top.mean" in _refused(demos)


@pytest.mark.parametrize(
    ("feature", "name"), [("action", "mean"), ("observation.state", "q99"), ("index", "max")]
)
def test_statistics_that_do_not_match_the_data_are_named(demos, feature, name):
    def change(stats):
        stats[feature][name][-1] += 1e-3

    _json(demos / "meta/stats.json", change)
    assert f"{demos}/meta/stats.json: {feature}.{name}: got: " in _refused(demos)


def test_data_that_do_not_match_the_statistics_are_named(demos):
    _column(demos / DATA, "action", _set((50, 3), 0.77))
    assert "meta/stats.json: action.mean" in _refused(demos)


def test_another_joint_order_is_named(demos):
    def swap(info):
        names = info["features"]["action"]["names"]
        names[0], names[7] = names[7], names[0]

    _json(demos / "meta/info.json", swap)
    assert "meta/info.json: features.action.names: got: ['right_joint1'" in _refused(demos)


@pytest.mark.parametrize(
    ("key", "value"), [("fps", 30), ("codebase_version", "v2.1"), ("total_frames", 121)]
)
def test_a_wrong_entry_of_info_is_named(demos, key, value):
    _json(demos / "meta/info.json", lambda info: info.update({key: value}))
    assert f"meta/info.json: {key}: got: {value!r}" in _refused(demos)


@pytest.mark.parametrize(
    ("key", "value"), [("state", "commanded"), ("format", "other/1"), ("joint_names", ["a"])]
)
def test_a_wrong_entry_of_ours_is_named(demos, key, value):
    _json(demos / "meta/onestep.json", lambda own: own.update({key: value}))
    assert f"meta/onestep.json: {key}: got: {value!r}" in _refused(demos)


def test_a_missing_column_is_named(demos):
    table = pq.ParquetFile(demos / DATA).read()
    pq.write_table(table.drop_columns(["is_mistake"]), demos / DATA)
    assert f"{demos / DATA}: is_mistake: missing" in _refused(demos)


def test_a_column_of_another_type_or_length_is_named(demos):
    _column(demos / DATA, "action", lambda values: values.astype(np.float64))
    _column(demos / DATA, "observation.state", lambda values: values[:, :13].copy())
    text = _refused(demos)
    assert f"{demos / DATA}: action: wrong type" in text
    assert f"{demos / DATA}: observation.state: wrong length" in text


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_none_is_named_with_its_row(demos, value):
    _column(demos / DATA, "observation.state", _set((17, 2), value))
    assert f"{demos / DATA}: observation.state: got: NaN or infinity in row 17" in _refused(demos)


@pytest.mark.parametrize(
    ("name", "value"),
    [("index", 7), ("episode_index", 5), ("frame_index", 3), ("task_index", 9), ("timestamp", 9)],
)
def test_rows_out_of_order_are_named(demos, name, value):
    _column(demos / DATA, name, _set(40, value))
    assert f"{demos / DATA}: {name}: got: {value}" in _refused(demos)


def test_a_file_with_too_few_rows_is_named(demos):
    table = pq.ParquetFile(demos / DATA).read()
    pq.write_table(table.slice(0, 100), demos / DATA)
    assert f"{demos / DATA}: rows: got: 100; allowed: 120" in _refused(demos)


def test_a_data_file_that_nobody_names_is_refused(demos):
    shutil.copy(demos / DATA, demos / "data/chunk-000/file-001.parquet")
    assert "file-001.parquet: got: a file that no episode names" in _refused(demos)


def test_every_fault_of_every_folder_is_in_one_error(demos, tmp_path):
    other = tmp_path / "other"
    write_dataset(other, 2)
    _json(other / "meta/info.json", lambda info: info.update(fps=30))
    (demos / TOP.format(3)).unlink()
    (demos / TOP.format(4)).write_bytes(b"nothing")
    _column(demos / DATA, "action", _set((5, 3), np.nan))
    with pytest.raises(DatasetError) as caught:
        open_dataset([demos, other, tmp_path / "none"], 6, SIZES)
    for part in (
        "file-003.mp4: missing",
        "file-004.mp4: cannot",
        "action: got: NaN",
        "fps: got: 30",
        "none/meta/info.json: missing",
    ):
        assert part in str(caught.value)


def test_the_old_format_is_refused_in_one_clear_error(tmp_path):
    (tmp_path / "meta.json").write_text('{"format": "onestep-vla-demos/0"}')
    (tmp_path / "episode_000000.npz").write_bytes(b"PK")
    text = _refused(tmp_path)
    assert "1 fault" in text
    assert "npz" in text
    assert "LeRobot" in text


def test_an_unfinished_dataset_says_how_to_finish_it(demos):
    (demos / "meta/info.json").unlink()
    assert "run it again" in _refused(demos)
