# SPDX-License-Identifier: Apache-2.0
"""One episode on one page: what the cameras saw and what the joints did."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402 - the backend comes first
import numpy as np  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.gridspec import SubplotSpec  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from onestep_vla_ros.core.embodiment import Embodiment  # noqa: E402
from onestep_vla_ros.core.errors import ConfigError, DatasetError, raise_all  # noqa: E402
from onestep_vla_ros.train.dataset_meta import FolderMeta, read_folder_meta  # noqa: E402
from onestep_vla_ros.train.lerobot_layout import ACTION, MISTAKE, OWN, STATE  # noqa: E402
from onestep_vla_ros.train.lerobot_reader import Tables, read_tables  # noqa: E402
from onestep_vla_ros.train.lerobot_video import read_video  # noqa: E402

COLUMNS = 12
"""Moments shown, evenly spread from the first frame to the last."""
JOINTS = 6
"""Joints plotted: those with the widest range of actions."""
_CELL_IN, _PLOT_IN = 1.1, 1.05


def write_contact_sheet(folder: Path, episode: int, path: Path) -> None:
    """Write a picture of one episode of a LeRobot dataset of ours.

    Args:
        folder: The dataset.
        episode: Its episode_index.
        path: PNG to write.

    Raises:
        ConfigError: There is no such episode.
        DatasetError: The dataset is damaged; lists every fault of its tables.
    """
    faults: list[str] = []
    meta = read_folder_meta(folder, faults)
    tables = read_tables(meta, faults) if meta is not None else None
    raise_all(DatasetError, str(folder), faults, "repair or regenerate what is named above")
    assert meta is not None  # noqa: S101 - there was no fault
    assert tables is not None  # noqa: S101
    if not 0 <= episode < len(tables.length):
        allowed = f"0 to {len(tables.length) - 1}"
        raise ConfigError(f"no such episode in {folder}", got=episode, allowed=allowed)
    first, count = int(tables.first[episode]), int(tables.length[episode])
    columns = {name: values[first : first + count] for name, values in tables.columns.items()}
    shown = np.unique(np.linspace(0, count - 1, min(COLUMNS, count)).round().astype(int))
    figure = _draw(meta, tables, episode, shown, columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw(
    meta: FolderMeta,
    tables: Tables,
    episode: int,
    shown: NDArray[np.int64],
    columns: dict[str, NDArray[np.generic]],
) -> Figure:
    cameras = [camera.name for camera in meta.cameras]
    pictures_in, plots_in = _CELL_IN * len(cameras), _PLOT_IN * JOINTS / 2
    figure = plt.figure(figsize=(_CELL_IN * COLUMNS + 1.2, pictures_in + plots_in + 1.2))
    parts = figure.add_gridspec(
        2,
        1,
        height_ratios=(pictures_in, plots_in),
        left=0.07,
        right=0.99,
        top=1.0 - 0.75 / figure.get_figheight(),
        bottom=0.5 / figure.get_figheight(),
        hspace=0.12,
    )
    clips = {name: tables.clips[name][episode] for name in cameras}
    images = {
        name: read_video(meta.folder / clip.path)[0][clip.start + shown]
        for name, clip in clips.items()
    }
    _draw_pictures(figure, parts[0], images, shown / meta.robot.rate_hz)
    _draw_joints(figure, parts[1], columns, shown, meta.robot)
    figure.suptitle(_title(meta, tables, episode, columns), fontsize=12, x=0.07, ha="left")
    return figure


def _title(
    meta: FolderMeta, tables: Tables, episode: int, columns: dict[str, NDArray[np.generic]]
) -> str:
    sentence = meta.sentences[int(columns["task_index"][0])]
    own = json.loads((meta.folder / OWN).read_text(encoding="utf-8"))
    count = len(columns["index"])
    return (
        f"“{sentence}”\n{meta.task}, episode {episode} of {meta.episodes}, seed "
        f"{int(tables.seed[episode])}: {count} frames, {count / meta.robot.rate_hz:.1f} s, "
        f"{int(columns[MISTAKE].sum())} actions wrong on purpose; "
        f"{len(own.get('failed_seeds', ()))} seeds failed"
    )


def _draw_pictures(
    figure: Figure,
    at: SubplotSpec,
    images: dict[str, NDArray[np.uint8]],
    times_s: NDArray[np.float64],
) -> None:
    grid = at.subgridspec(len(images), COLUMNS, wspace=0.03, hspace=0.03)
    for row, (name, stack) in enumerate(images.items()):
        for column, image in enumerate(stack):
            axis = figure.add_subplot(grid[row, column])
            axis.imshow(image, interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            if column == 0:
                axis.set_ylabel(name, fontsize=9)
            if row == 0:
                axis.set_title(f"{times_s[column]:.1f} s", fontsize=8, pad=3)


def _draw_joints(
    figure: Figure,
    at: SubplotSpec,
    columns: dict[str, NDArray[np.generic]],
    shown: NDArray[np.int64],
    robot: Embodiment,
) -> None:
    """Plot what moved most: the action at the time it is due, and measured where alike."""
    state, action = columns[STATE].astype(float), columns[ACTION].astype(float)
    most = np.sort(np.argsort(-np.ptp(action, axis=0), kind="stable")[:JOINTS])
    grid = at.subgridspec(JOINTS // 2, 2, wspace=0.12, hspace=0.12)
    period_s = 1.0 / robot.rate_hz
    time_s = np.arange(len(state)) * period_s
    is_mistake = columns[MISTAKE].astype(bool)
    for k, joint in enumerate(most):
        row, column = k % (JOINTS // 2), k // (JOINTS // 2)
        axis = figure.add_subplot(grid[row, column])
        for moment in shown:
            axis.axvline(moment * period_s, color="0.9", linewidth=0.7, zorder=0)
        axis.plot(time_s + period_s, action[:, joint], "C0", linewidth=1.2, label="action")
        if robot.relative:
            axis.plot(time_s, state[:, joint], "C1", linewidth=1.2, label="measured")
        wrong = np.where(is_mistake, action[:, joint], np.nan)
        axis.plot(time_s + period_s, wrong, "C3.", markersize=4, label="wrong on purpose")
        unit = "rad" if robot.relative and joint not in robot.grippers else "1"
        axis.set_ylabel(f"{robot.action_names[joint]}\n[{unit}]", fontsize=7)
        axis.tick_params(labelsize=7, labelbottom=row == JOINTS // 2 - 1)
        axis.margins(x=0.01)
        if row == JOINTS // 2 - 1:
            axis.set_xlabel("time [s]", fontsize=8)
    lines = axis.get_legend_handles_labels()
    figure.legend(*lines, fontsize=8, ncols=3, loc="upper right", bbox_to_anchor=(0.99, 0.99))
