# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.digits.sources import TEST, TRAIN
from onestep_vla_ros.digits.tasks import BY_COLUMN, BY_ROW, EITHER, Task, to_patches, to_pictures
from onestep_vla_ros.digits.tokens import make_codebook, nearest

CPU = torch.device("cpu")


def draw(strokes, name, count=200, part=TRAIN, edge=4):
    task = Task(name, strokes, CPU, edge)
    return task, task.sample(count, part, torch.Generator().manual_seed(3))


def test_ten_embeddings_are_as_far_from_each_other_and_of_unit_variance():
    book = make_codebook()
    distance = torch.cdist(book, book)[~torch.eye(10, dtype=torch.bool)]
    assert torch.allclose(distance, distance[0].expand(90), atol=1e-4)
    assert torch.allclose(book.square().mean(), torch.tensor(1.0))
    assert book.mean(dim=0).abs().max() < 1e-6


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=16), st.floats(0.0, 0.9))
def test_an_embedding_is_read_back_from_anywhere_nearer_to_it_than_halfway(digits, reach):
    book = make_codebook()
    labels = torch.tensor(digits)
    off = torch.randn(len(digits), 16, generator=torch.Generator().manual_seed(0))
    off = off / off.norm(dim=1, keepdim=True) * reach * torch.cdist(book, book).max() / 2
    assert nearest(book[labels] + off, book).tolist() == digits


@pytest.mark.parametrize("edge", [3, 4])
def test_grid_is_read_row_by_row(strokes, edge):
    task, sample = draw(strokes, "grid", edge=edge)
    assert sample.batch.images["grid"].shape == (200, 1, 16 * edge, 16 * edge)
    assert sample.answers.shape == (200, 1, edge * edge)
    assert not sample.is_ambiguous.any()
    assert torch.equal(nearest(sample.batch.action, task.codebook), sample.answers[:, 0])
    # the cell in the first row, second column is the second digit
    cell = sample.batch.images["grid"][:, 0, :16, 16:32].float().flatten(1)
    means = [cell[sample.answers[:, 0, 1] == digit].mean(dim=0) for digit in range(10)]
    away = torch.cdist(cell, torch.stack(means)).argmin(dim=1)
    assert (away == sample.answers[:, 0, 1]).float().mean() > 0.8


@pytest.mark.parametrize("edge", [2, 3, 4])
def test_paper_tells_the_reading_order_and_grey_paper_has_two_answers(strokes, edge):
    _, sample = draw(strokes, "ambiguous", 400, edge=edge)
    images = sample.batch.images["grid"][:, 0]
    paper = images.amin(dim=(1, 2))
    assert set(paper.tolist()) == {BY_ROW, BY_COLUMN, EITHER}
    assert torch.equal(sample.is_ambiguous, paper == EITHER)
    assert 0.4 < sample.is_ambiguous.float().mean() < 0.6
    first, second = sample.answers.unbind(1)
    turned = second.view(-1, edge, edge).transpose(1, 2).flatten(1)
    assert torch.equal(first[sample.is_ambiguous], turned[sample.is_ambiguous])
    assert torch.equal(first[~sample.is_ambiguous], second[~sample.is_ambiguous])


def test_readings_of_grids_on_grey_paper_are_balanced(strokes):
    task = Task("ambiguous", strokes, CPU)
    generator, again = (torch.Generator().manual_seed(7) for _ in range(2))
    sample, plain = task.sample(600, TRAIN, generator), Task("grid", strokes, CPU)
    rows = plain.sample(600, TRAIN, again).answers[:, 0]
    is_row = (sample.answers[:, 0] == rows).all(dim=1)
    paper = sample.batch.images["grid"][:, 0].amin(dim=(1, 2))
    assert is_row[paper == BY_ROW].all()
    assert not is_row[paper == BY_COLUMN].any()
    by_row = is_row[sample.is_ambiguous]
    assert 0.4 < by_row.float().mean() < 0.6


def test_test_digits_are_never_drawn_for_training(strokes):
    task = Task("grid", strokes, CPU)
    pools = task._pools
    assert not set(pools[TRAIN].tolist()) & set(pools[TEST].tolist())


def test_patches_and_pictures_are_inverse():
    pictures = torch.arange(2 * 256.0).view(2, 16, 16)
    patches = to_patches(pictures)
    assert torch.equal(patches[0, 1], pictures[0, :4, 4:8].flatten())
    assert torch.equal(to_pictures(patches), pictures)


def test_image_task_tells_the_class_alone(strokes):
    task, sample = draw(strokes, "image")
    assert sample.batch.images == {}
    assert torch.equal(sample.batch.state.argmax(dim=1), sample.answers.flatten())
    assert abs(float(sample.batch.action.std()) - 1.0) < 0.1


def test_unknown_task_is_refused(strokes):
    with pytest.raises(ConfigError, match="letters"):
        Task("letters", strokes, CPU)


def test_pictures_in_other_patches_are_refused(strokes):
    with pytest.raises(ConfigError, match="4x4 patches"):
        Task("image", strokes, CPU, 3)
