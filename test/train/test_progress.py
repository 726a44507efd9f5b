# SPDX-License-Identifier: Apache-2.0
import csv

import pytest

from onestep_vla_ros.train.learner import Update
from onestep_vla_ros.train.progress import Progress


def _log(folder, steps, first=0):
    progress = Progress(folder, 8, 100, first, ("lift", "place"))
    for step in range(first + 1, first + steps + 1):
        update = Update(1.0 / step, 0.5, 1e-3, 0.1 * step, False)
        progress.update(update)
        if step % 2 == 0:
            success = {"lift": 0.25, "place": step / 100} if step % 4 == 0 else {}
            progress.log(step, update, {"lift": 0.5, "place": 1.5 / step}, success)
    progress.close()
    return list(csv.DictReader((folder / "log.csv").open()))


def test_log_has_a_column_of_each_task_for_the_held_out_loss_and_the_success(tmp_path):
    rows = _log(tmp_path, 8)
    assert [row["step"] for row in rows] == ["2", "4", "6", "8"]
    assert float(rows[1]["held_out_place"]) == pytest.approx(0.375)
    assert float(rows[1]["held_out_loss"]) == pytest.approx((0.5 + 0.375) / 2)
    assert [row["success_lift"] for row in rows] == ["", "0.25", "", "0.25"]
    assert (tmp_path / "loss.png").stat().st_size > 1000


def test_a_resumed_run_drops_the_rows_it_will_write_again(tmp_path):
    whole = _log(tmp_path, 8)
    again = _log(tmp_path, 4, first=4)
    assert [row["step"] for row in again] == [row["step"] for row in whole]


def test_a_log_of_other_tasks_is_started_anew(tmp_path):
    _log(tmp_path, 4)
    progress = Progress(tmp_path, 8, 100, 4, ("rings",))
    progress.close()
    assert progress.rows == []
