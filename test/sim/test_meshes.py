# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.meshes import cluster, decimated, read_stl
from onestep_vla_ros.sim.station_model import station_file

pytestmark = pytest.mark.sim


@pytest.fixture
def stl():
    return station_file().parent / "../../arm/yam/v1/assets/link2.stl"


def test_cluster_keeps_the_shape_within_a_cell(stl):
    triangles = read_stl(stl)
    vertices, faces = cluster(triangles, 0.005)
    before = triangles.reshape(-1, 3)
    assert len(faces) < len(triangles) / 4
    assert np.abs(vertices.min(axis=0) - before.min(axis=0)).max() < 0.005
    assert np.abs(vertices.max(axis=0) - before.max(axis=0)).max() < 0.005
    assert faces.max() == len(vertices) - 1


def test_cache_is_written_once_and_read_back_equal(stl, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = decimated(stl, 0.005)
    files = list(tmp_path.rglob("*"))
    second = decimated(stl, 0.005)
    assert [f for f in files if f.suffix == ".npz"] == list(tmp_path.rglob("*.npz"))
    assert not list(tmp_path.rglob("*.part"))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_other_settings_get_another_cache_file(stl, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    decimated(stl, 0.005)
    decimated(stl, 0.010)
    assert len(list(tmp_path.rglob("*.npz"))) == 2


def test_a_cache_folder_that_cannot_be_written_costs_only_time(stl, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(decimated(stl, 0.005)[1]) > 100


def test_a_damaged_cache_file_is_made_again(stl, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    whole = decimated(stl, 0.005)
    cached = next(tmp_path.rglob("*.npz"))
    cached.write_bytes(cached.read_bytes()[:100])
    assert np.array_equal(decimated(stl, 0.005)[0], whole[0])


def test_a_truncated_mesh_is_refused_by_name(stl, tmp_path):
    broken = tmp_path / "broken.stl"
    broken.write_bytes(stl.read_bytes()[:-7])
    with pytest.raises(ConfigError, match="broken.stl is not a binary STL"):
        read_stl(broken)
