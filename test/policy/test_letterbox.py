# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from pi0_peers import picture, recorded
from PIL import Image
from torch.nn import functional

from onestep_vla_ros.policy.letterbox import letterbox


def tensor(height, width):
    return torch.from_numpy(picture(height, width, 1)).permute(2, 0, 1).unsqueeze(0)


@pytest.mark.parametrize(("height", "width"), [(20, 30), (36, 24), (90, 90), (61, 97)])
def test_smooth_is_what_pil_makes_in_the_middle(height, width):
    edge = 28
    ratio = max(width, height) / edge
    size = (int(height / ratio), int(width / ratio))
    small = Image.fromarray(picture(height, width, 1)).resize(
        size[::-1], Image.Resampling.BILINEAR
    )
    canvas = Image.new("RGB", (edge, edge), 0)
    canvas.paste(small, ((edge - size[1]) // 2, (edge - size[0]) // 2))
    wanted = torch.from_numpy(np.array(canvas)).permute(2, 0, 1) / 127.5 - 1.0
    got = letterbox(tensor(height, width), edge, "smooth")[0]
    assert (got - wanted).abs().max() <= 1.01 / 127.5


def test_plain_does_not_smooth():
    image = tensor(36, 24)
    assert int(36 / (36 / 28)) == 27  # so LeRobot leaves a row of black below
    small = functional.interpolate(image / 255.0, size=(27, 18), mode="bilinear")
    wanted = functional.pad(small * 2.0 - 1.0, (5, 5, 0, 1), value=-1.0)
    assert (letterbox(image, 28, "plain") - wanted).abs().max() < 1e-5
    assert (letterbox(image, 28, "smooth") - wanted).abs().max() > 0.05


def test_corner_is_what_transformers_makes():
    levels = torch.tensor(recorded("corner")["levels"])
    got = (letterbox(tensor(20, 30), 14, "corner")[0] + 1.0) * 127.5
    assert (got - levels).abs().max() < 1e-3


@pytest.mark.parametrize("fit", ["smooth", "plain", "corner"])
def test_square_of_the_right_size_is_not_touched(fit):
    image = tensor(28, 28)
    assert torch.equal(letterbox(image, 28, fit), image / 127.5 - 1.0)
    assert torch.equal(letterbox(image.float(), 28, fit), image / 127.5 - 1.0)
