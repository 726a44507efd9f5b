# SPDX-License-Identifier: Apache-2.0
import cv2
import pytest

from onestep_vla_ros.core.errors import ConfigError, DatasetError
from onestep_vla_ros.train.contact_sheet import write_contact_sheet


def test_a_sheet_shows_every_camera_and_the_joints(tiny_dataset, tmp_path):
    write_contact_sheet(tiny_dataset, 3, tmp_path / "new" / "sheet.png")
    picture = cv2.imread(str(tmp_path / "new" / "sheet.png"))
    assert picture.shape[1] > 1000
    assert (picture > 200).all(axis=2).mean() < 0.95  # not an empty page


def test_an_episode_that_is_not_there_is_refused(tiny_dataset, tmp_path):
    with pytest.raises(ConfigError, match="got: 10; allowed: 0 to 9"):
        write_contact_sheet(tiny_dataset, 10, tmp_path / "sheet.png")


def test_a_damaged_dataset_is_refused_by_file(demos, tmp_path):
    (demos / "meta" / "tasks.parquet").unlink()
    with pytest.raises(DatasetError, match=r"tasks\.parquet: missing"):
        write_contact_sheet(demos, 0, tmp_path / "sheet.png")
