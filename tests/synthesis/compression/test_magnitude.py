"""The magnitude control: as many weights per layer as the other method keeps, and the largest ones."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from evo_ensyth.synthesis.compression import Variant
from evo_ensyth.synthesis.compression.magnitude import MagnitudeControl
from evo_ensyth.synthesis.compression.net_trim import NetTrim


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3)).eval()


def images():
    return torch.rand(80, 1, 4, 4, generator=torch.Generator().manual_seed(1))


def entries(layer):
    return torch.cat([layer.weight.detach().flatten(), layer.bias.detach()])


def test_each_control_keeps_the_largest_of_each_layer_and_as_many_as_the_variant():
    parent, method = network(), NetTrim(epsilons=(0.1, 0.4))
    variants = list(method.variants(parent, images(), seed=0))
    controls = list(MagnitudeControl(of=method).variants(parent, images(), seed=0))
    assert [control.name for control in controls] == [f"magnitude-like-{variant.name}" for variant in variants]
    for variant, control in zip(variants, controls, strict=True):
        for place in ("2", "4"):
            own, kept = entries(parent.get_submodule(place)), entries(control.model.get_submodule(place))
            count = int(entries(variant.model.get_submodule(place)).count_nonzero())
            assert int(kept.count_nonzero()) == count
            np.testing.assert_array_equal(kept[kept != 0], own[kept != 0])
            assert kept[kept != 0].abs().min() >= own[kept == 0].abs().max()


def test_layers_that_are_not_dense_and_the_parent_stay_as_they_are():
    parent = network()
    before = {name: tensor.clone() for name, tensor in parent.state_dict().items()}
    (control,) = MagnitudeControl(of=NetTrim(epsilons=(0.4,))).variants(parent, images(), seed=0)
    np.testing.assert_array_equal(control.model[0].weight.detach(), before["0.weight"])
    for name, tensor in parent.state_dict().items():
        np.testing.assert_array_equal(tensor, before[name])


def test_of_equal_weights_the_earlier_stays():
    class Half:
        def variants(self, parent, calibration, *, seed, scratch=None, progress=None):
            model = nn.Sequential(nn.Linear(4, 1))
            model[0].weight.data = torch.tensor([[0.0, 0.0, 5.0, 5.0]])
            model[0].bias.data.zero_()
            yield Variant("half", {"method": "half"}, model, {})

    parent = nn.Sequential(nn.Linear(4, 1))
    parent[0].weight.data = torch.tensor([[1.0, -1.0, 1.0, 1.0]])
    parent[0].bias.data.zero_()
    (control,) = MagnitudeControl(of=Half()).variants(parent, torch.ones(1, 4), seed=0)
    np.testing.assert_array_equal(control.model[0].weight.detach(), [[1.0, -1.0, 0.0, 0.0]])


def test_the_scratch_folder_is_handed_on(tmp_path):
    method = NetTrim(epsilons=(0.4,))
    list(MagnitudeControl(of=method).variants(network(), images(), seed=0, scratch=tmp_path))
    files = sorted(tmp_path.iterdir())
    assert files
    times = [file.stat().st_mtime_ns for file in files]
    list(method.variants(network(), images(), seed=0, scratch=tmp_path))
    assert [file.stat().st_mtime_ns for file in files] == times


def test_origin_and_report_are_plain_json():
    (control,) = MagnitudeControl(of=NetTrim(epsilons=(0.4,))).variants(network(), images(), seed=0)
    assert control.origin["method"] == "magnitude"
    assert control.origin["like"]["epsilon"] == 0.4
    for content in (control.origin, control.report):
        assert json.loads(json.dumps(content, allow_nan=False)) == content
