# SPDX-License-Identifier: Apache-2.0
import pytest

from onestep_vla_ros.sim.rollout import Episode
from onestep_vla_ros.study.entry import Entry
from onestep_vla_ros.study.seams import seam_markdown, seam_tables, seams_json
from onestep_vla_ros.study.studies import study_named


def episode(seed, jumps, rejected=0):
    found = Episode(seed, "go", chunks=len(jumps) + 1)
    found.seams_rad, found.seam_accelerations = list(jumps), [10.0 * j for j in jumps]
    found.rejected = {"late": rejected} if rejected else {}
    return found


def entries():
    study = study_named("prefix")
    return study, [
        Entry(variant, seed, cell)
        for variant in study.variants
        for seed in (0, 1)
        for cell in study.cells(f"{variant.folder}-s{seed}", ("place",), "zero", variant)
    ]


def test_seams_pool_training_seeds_by_hand_over_and_delay():
    study, found = entries()
    results = {}
    for entry in found:
        size = 0.001 if entry.cell.handover == "prefix" else 0.02
        results[entry.cell] = [episode(0, [size] * 3), episode(1, [3 * size], rejected=1)]
    (places,) = seam_tables(study, found, results).values()
    seams = places["prefix", "latency 0.1 s"]
    assert seams.count == 8
    assert seams.jump_mrad[0] == pytest.approx(1.0)
    assert seams.jump_mrad[1] == pytest.approx(3.0)
    assert seams.acceleration[0] == pytest.approx(0.01)
    assert seams.refused == pytest.approx(2 / 12)
    text = seam_markdown(places, "place")
    assert text.count("\n") == 4  # head, rule and three rows
    assert "1 / 3; 0.01 / 0.03; 16.7%" in text
    assert len(seams_json({"place": places})) == 15


def test_a_place_without_seams_is_left_out():
    study, found = entries()
    (places,) = seam_tables(study, found[:2], {found[0].cell: [episode(0, [])]}).values()
    assert not places
