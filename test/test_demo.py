# SPDX-License-Identifier: Apache-2.0
"""From a recording to film, plot and figures; a demo that cannot start says why."""

from __future__ import annotations

import json

import cv2
import imageio_ffmpeg
import numpy as np
import pytest

from onestep_vla_ros.core.errors import CheckpointError, DatasetError
from onestep_vla_ros.demo import DemoRequest, make_figures, run_demo
from onestep_vla_ros.film import write_film
from onestep_vla_ros.plot import write_plot
from onestep_vla_ros.recording import CAMERAS, Recording


@pytest.fixture
def recording(tmp_path):
    """Two seconds of two episodes at 25 pictures a second."""
    frames, lines = bytearray(), []
    for i in range(200):
        t = round(1.0 + i * 0.01, 6)
        episode = 0 if i < 40 else 1 if i < 120 else 2
        if i % 4 == 0:
            for camera in CAMERAS:
                edge = 192 if camera == "top" else 128
                _, jpeg = cv2.imencode(".jpg", np.full((edge, edge, 3), i, np.uint8))
                lines.append({"k": "frame", "t": t, "camera": camera, "offset": len(frames)})
                lines[-1]["size"] = len(jpeg)
                frames += jpeg.tobytes()
        mode = "RUN" if i % 80 > 45 else "IDLE"
        chunk = None if i < 50 else 1.0 + i // 24 * 0.24
        lines.append({"k": "trace", "t": t, "mode": mode, "chunk": chunk, "g": False})
        lines.append({"k": "state", "t": t, "q": [0.1] * 14})
        for arm in ("left", "right"):
            lines.append({"k": "command", "t": t, "arm": arm, "q": [0.1] * 7})
        if i % 10 == 0:
            sim = {"episode": str(episode), "seed": str(40 + episode), "success": "False"}
            sim |= {"episode_time_s": str(i * 0.01), "instruction": "put the red cube down"}
            lines.append({"k": "sim", "t": t, **sim})
    (tmp_path / "frames.bin").write_bytes(frames)
    text = "".join(json.dumps(line) + "\n" for line in lines) + '{"k": "trace", "t": 3.0, "mo'
    (tmp_path / "events.jsonl").write_text(text)
    return tmp_path


def test_film_holds_every_picture_of_the_episodes_and_plays_anywhere(recording, tmp_path):
    path = tmp_path / "film.mp4"
    assert write_film(Recording(recording), path, height_px=96) == 40
    frames = imageio_ffmpeg.read_frames(str(path))
    meta = next(frames)
    assert meta["codec"] == "h264"
    assert meta["pix_fmt"].startswith("yuv420p")
    assert meta["size"] == (288, 168)
    assert sum(1 for _ in frames) == 40


def test_plot_is_written_for_the_named_episode(recording, tmp_path):
    read = Recording(recording)
    start_s, end_s = read.span(41)
    assert 1.4 < start_s < end_s < 2.2
    assert len(read.hand_overs(start_s, end_s)) > 0
    write_plot(read, tmp_path / "joints.png", 41, "seed 41")
    assert cv2.imread(str(tmp_path / "joints.png")).shape[0] > 500


def test_folder_without_a_recording_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="no recording"):
        Recording(tmp_path / "nothing")


def test_figures_hold_what_the_design_names(tmp_path):
    episode = {"task": "place", "instruction": "put", "wrong_object": False}
    episode |= {"ticks": 500, "governed_ticks": 5}
    episode |= {"wall_s": 4.0, "time_s": 5.0, "fault": ""}
    summary = {
        "startup_s": 4.2,
        "episodes": [
            {**episode, "seed": 0, "success": True},
            {**episode, "seed": 1, "success": False},
        ],
        "sim": {"capture_to_command_p50_ms": "25.0", "capture_to_command_p99_ms": "40.0"},
        "bridge": {
            "spliced": "40",
            "late": "1",
            "overruns": "0",
            "count.action_chunk: too few waypoints left": "1",
            "count.action_chunk: not enabled": "9",
        },
        "policy": {"inference_p50_ms": "6.0", "inference_p99_ms": "9.0", "mean_steps": "2.5"},
    }
    figures = make_figures(DemoRequest("place", tmp_path, episodes=2), summary)
    assert figures["success_rate"] == 0.5
    assert figures["mean_steps"] == 2.5
    assert figures["interval"][0] < 0.5 < figures["interval"][1]
    assert figures["chunks"] == {
        "accepted": 40,
        "late": 1,
        "rejected": {"too few waypoints left": 1},
    }
    assert figures["capture_to_command_ms"] == {"p50": 25.0, "p99": 40.0}
    assert figures["latency_ms"] == {"p50": 6.0, "p99": 9.0}
    assert figures["governor_active"] == 0.01
    assert figures["real_time_factor"] == 1.25
    assert figures["failed_seeds"] == [1]


def test_demo_without_a_checkpoint_starts_nothing(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint"):
        run_demo(DemoRequest("place", tmp_path / "none", out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()
