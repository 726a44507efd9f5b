# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from onestep_vla_ros.core.errors import DatasetError
from onestep_vla_ros.train.lerobot_video import read_video, read_videos, write_videos


@pytest.fixture
def images():
    """Soft colours, as a rendered table has, and a dot that moves."""
    soft = np.random.default_rng(0).integers(30, 225, (6, 6, 3), dtype=np.uint8)
    scene = cv2.resize(soft, (128, 96), interpolation=cv2.INTER_CUBIC)
    stack = np.repeat(scene[None], 23, axis=0)
    for k in range(23):
        stack[k, 40:44, 4 * k : 4 * k + 4] = 255
    return stack


def test_every_frame_comes_back_nearly_as_it_was_and_not_darker(tmp_path, images):
    write_videos({tmp_path / "a.mp4": images})
    shown, rate_hz = read_video(tmp_path / "a.mp4")
    assert rate_hz == 10.0
    assert shown.shape == images.shape
    error = shown.astype(float) - images
    assert np.abs(error).mean() < 2.5
    assert np.abs(error.mean(axis=(0, 1, 2))).max() < 0.5
    for k in range(23):
        assert shown[k, 41:43, 4 * k + 1 : 4 * k + 3].min() > 200


def test_the_same_images_make_the_same_bytes_and_leave_no_part(tmp_path, images):
    for name in ("a", "b"):
        write_videos({tmp_path / f"{name}.mp4": images})
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


def test_videos_of_different_sizes_share_an_encoder_and_a_decoder(tmp_path, images):
    small = np.ascontiguousarray(images[:, :32, 20:84])
    videos = {tmp_path / "big" / "a.mp4": images, tmp_path / "small" / "b.mp4": small}
    write_videos(videos)
    for (shown, _), meant in zip(read_videos(list(videos)), videos.values(), strict=True):
        assert shown.shape == meant.shape
        assert np.abs(shown.astype(float) - meant).mean() < 2.5


def test_what_cannot_be_encoded_is_an_error_and_leaves_nothing(tmp_path, images):
    with pytest.raises(DatasetError, match="could not be written"):
        write_videos({tmp_path / "a.mp4": images[:, :, :127]})
    assert list(tmp_path.iterdir()) == []


def test_missing_and_broken_files_are_errors(tmp_path):
    with pytest.raises(DatasetError, match="missing"):
        read_video(tmp_path / "a.mp4")
    (tmp_path / "a.mp4").write_bytes(b"nothing")
    with pytest.raises(DatasetError, match="cannot be read"):
        read_video(tmp_path / "a.mp4")
