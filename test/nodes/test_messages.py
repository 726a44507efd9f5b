# SPDX-License-Identifier: Apache-2.0
"""Outside formats: what is read, what is refused, what survives a round trip."""

from __future__ import annotations

import array

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

pytest.importorskip("sensor_msgs", reason="the ROS 2 message packages are not installed")
pytestmark = pytest.mark.ros

from sensor_msgs.msg import CompressedImage, JointState  # noqa: E402

from onestep_vla_ros.core.chunk import Chunk  # noqa: E402
from onestep_vla_ros.core.errors import ChunkError, JointError, ObservationError  # noqa: E402
from onestep_vla_ros.core.joints import DOF, JOINT_NAMES  # noqa: E402
from onestep_vla_ros.core.observation import CameraSpec  # noqa: E402
from onestep_vla_ros.nodes import messages  # noqa: E402

CAMERA = CameraSpec("top", 6, 8)
PICTURE = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)


@given(st.integers(0, 2**31 - 1).map(lambda s: s + 0.125), st.floats(0, 1e9))
def test_stamps_survive_a_round_trip(exact, any_time):
    assert messages.to_seconds(messages.to_stamp(exact)) == exact
    assert abs(messages.to_seconds(messages.to_duration(any_time)) - any_time) < 1e-6


@given(arrays.arrays(np.uint8, (6, 8, 3)), st.integers(0, 5), st.booleans())
def test_image_is_read_whatever_its_padding_and_channel_order(picture, padding, is_bgr):
    message = messages.rgb_to_image(picture, 1.5, "top")
    message.step = 24 + padding
    sent = picture[:, :, ::-1] if is_bgr else picture
    message.encoding = "bgr8" if is_bgr else "rgb8"
    rows = np.zeros((6, 24 + padding), np.uint8)
    rows[:, :24] = sent.reshape(6, 24)
    message.data = array.array("B", rows.tobytes())
    assert (messages.image_to_rgb(message, CAMERA) == picture).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"encoding": "mono8"}, "encoding"),
        ({"encoding": "32FC3"}, "encoding"),
        ({"encoding": ""}, "encoding"),
        ({"height": 7}, "size"),
        ({"width": 0, "height": 0}, "size"),
        ({"step": 23}, "amount of data"),
        ({"data": array.array("B", bytes(10))}, "amount of data"),
        ({"data": array.array("B")}, "amount of data"),
    ],
)
def test_unusable_image_is_refused_naming_the_camera(change, words):
    message = messages.rgb_to_image(PICTURE, 1.5, "top")
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(ObservationError, match=f"'top'.*{words}"):
        messages.image_to_rgb(message, CAMERA)


def jpeg(picture):
    smooth = cv2.GaussianBlur(picture, (5, 5), 2)
    _, data = cv2.imencode(".jpg", smooth[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])
    return smooth, data.tobytes()


def test_jpeg_is_read_as_rgb():
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, :, 0] = 200
    smooth, data = jpeg(picture)
    message = CompressedImage(format="jpeg", data=array.array("B", data))
    read = messages.compressed_to_rgb(message, CameraSpec("top", 64, 64))
    assert np.abs(read.astype(int) - smooth).max() < 12


@pytest.mark.parametrize(
    "spoil", [lambda d: d[:-40], lambda d: b"", lambda d: b"\xff\xd8\xff" * 9]
)
def test_cut_jpeg_is_refused(spoil):
    _, data = jpeg(np.full((64, 64, 3), 90, np.uint8))
    message = CompressedImage(format="jpeg", data=array.array("B", spoil(data)))
    with pytest.raises(ObservationError, match="cannot be decoded"):
        messages.compressed_to_rgb(message, CameraSpec("top", 64, 64))


@given(st.permutations([*JOINT_NAMES, "extra"]))
def test_joint_state_is_mapped_by_name(names):
    values = {name: float(i) for i, name in enumerate(JOINT_NAMES)} | {"extra": 9.0}
    message = JointState(name=names, position=[values[n] for n in names])
    message.velocity = [-values[n] for n in names]
    q, qd, _ = messages.joint_state_to_arrays(message)
    assert q.tolist() == list(range(DOF))
    assert (qd == -q).all()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda m: m.name.pop(),
        lambda m: m.name.__setitem__(0, "left_joint2"),
        lambda m: m.name.__setitem__(0, "left_joint9"),
        lambda m: m.position.__setitem__(3, float("nan")),
        lambda m: m.velocity.__setitem__(3, float("inf")),
        lambda m: m.position.pop(),
    ],
)
def test_unusable_joint_state_is_refused(spoil):
    message = messages.arrays_to_joint_state(np.zeros(DOF), np.zeros(DOF), 1.0)
    spoil(message)
    with pytest.raises(JointError):
        messages.joint_state_to_arrays(message)


def test_joint_state_without_velocity_says_so():
    message = JointState(name=list(JOINT_NAMES), position=[0.0] * DOF)
    assert messages.joint_state_to_arrays(message)[1] is None


@given(
    arrays.arrays(np.float64, st.tuples(st.integers(1, 40), st.just(DOF))),
    st.integers(1, 500).map(lambda ms: ms / 1000),
)
def test_chunk_survives_a_round_trip_nan_included(q, period_s):
    chunk = Chunk(q, 12.25, period_s)
    read = messages.trajectory_to_chunk(messages.chunk_to_trajectory(chunk))
    assert np.array_equal(read.q, q, equal_nan=True)
    assert read.stamp_s == 12.25
    assert abs(read.period_s - period_s) < 1e-8


def test_chunk_with_permuted_joints_is_put_in_order():
    message = messages.chunk_to_trajectory(Chunk(np.arange(DOF)[None] * 1.0, 0.0, 0.04))
    message.joint_names = list(reversed(message.joint_names))
    assert messages.trajectory_to_chunk(message).q[0].tolist() == list(reversed(range(DOF)))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda m: m.points.clear(), "number of points"),
        (lambda m: m.points.extend(m.points * 600), "number of points"),
        (lambda m: m.joint_names.pop(), "wrong joints"),
        (lambda m: m.joint_names.__setitem__(0, "elbow"), "wrong joints"),
        (lambda m: m.joint_names.__setitem__(0, m.joint_names[1]), "wrong joints"),
        (lambda m: m.points[1].positions.pop(), "wrong length"),
        (lambda m: m.points.reverse(), "evenly"),
        (lambda m: [setattr(p.time_from_start, "nanosec", 0) for p in m.points], "evenly"),
    ],
)
def test_formless_chunk_is_refused(spoil, words):
    message = messages.chunk_to_trajectory(Chunk(np.zeros((3, DOF)), 0.0, 0.04))
    spoil(message)
    with pytest.raises(ChunkError, match=words):
        messages.trajectory_to_chunk(message)


def test_start_pose_comes_back_in_our_order():
    low, high = np.arange(DOF) * 0.1, np.arange(DOF) * 0.2
    message = messages.start_pose_to_trajectory(low, high)
    message.joint_names.reverse()
    for point in message.points:
        point.positions = list(reversed(point.positions))
    back = messages.trajectory_to_start_pose(message)
    assert np.array_equal(back, [low, high])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda m: m.points.pop(), "wrong form"),
        (lambda m: m.points[1].positions.pop(), "wrong form"),
        (lambda m: m.joint_names.__setitem__(0, "elbow"), "wrong joints"),
    ],
)
def test_formless_start_pose_is_refused(spoil, words):
    message = messages.start_pose_to_trajectory(np.zeros(DOF), np.ones(DOF))
    spoil(message)
    with pytest.raises(ChunkError, match=words):
        messages.trajectory_to_start_pose(message)
