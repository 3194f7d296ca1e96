"""What holds for every compression method there is: a new file is tested by being there."""

import ast
import copy
import dataclasses
import inspect
import json
import re
import typing

import numpy as np
import pytest
import torch

from evo_ensyth import plugins
from evo_ensyth.errors import InputError
from evo_ensyth.io.manifest import MEMBER_NAME
from evo_ensyth.synthesis import compression, networks
from evo_ensyth.synthesis.compression import Compressor, Work
from evo_ensyth.synthesis.layer_surgery import as_safetensors, with_state
from evo_ensyth.synthesis.settings import as_json
from evo_ensyth.synthesis.training import FineTuning, Training

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = compression.names()


def reads_its_seed(name):
    source = inspect.getsource(plugins.load("evo_ensyth.synthesis.compression", name, "compressor"))
    return any(isinstance(node, ast.Name) and node.id == "seed" for node in ast.walk(ast.parse(source)))


# Methods that draw at random: not those that never look at their seed, nor those that need it for training in between.
DRAWING = sorted({name for name in NAMES if reads_its_seed(name)} - {"magnitude", "magnitude_control"})
SHORT = {"epochs": 1, "batch": 50, "learning_rate": 3e-3}
# Grids are cut to their first two values, so that every method is tested in seconds.
GRID = 2


def class_of(name):
    module = plugins.load("evo_ensyth.synthesis.compression", name, "compressor")
    own = [value for value in vars(module).values() if getattr(value, "__module__", None) == module.__name__]
    (found,) = [value for value in own if isinstance(value, type) and hasattr(value, "variants")]
    return found


def made(name):
    """A method with short trainings and a short grid, and otherwise its defaults."""
    cls = class_of(name)
    hints, settings = typing.get_type_hints(cls), {}
    for part in dataclasses.fields(cls):
        kinds = {hints[part.name], *typing.get_args(hints[part.name])}
        if hints[part.name] is Training:
            settings[part.name] = Training(**SHORT)
        elif hints[part.name] is FineTuning:
            settings[part.name] = FineTuning(name="short", **SHORT)
        elif Compressor in kinds:
            settings[part.name] = compression.find("quantisation")
        elif isinstance(part.default, tuple) and len(part.default) > GRID:
            settings[part.name] = part.default[:GRID]
        elif part.name.startswith("n_") and part.default > GRID:
            settings[part.name] = GRID
    return cls(**settings)


@pytest.fixture
def parent():
    network = networks.build("small", 10, seed=1)
    for bias in (layer.bias for layer in network.modules() if getattr(layer, "bias", None) is not None):
        bias.data = torch.randn(len(bias), generator=torch.Generator().manual_seed(0)) / 5  # some units are silent
    return network


@pytest.fixture
def inputs(inputs_of):
    return inputs_of(networks.build("small", 10, seed=1))


@pytest.fixture(scope="module")
def first_run():
    """Variants of each method, made once; by name of the method."""
    return {}


@pytest.fixture
def variants(first_run, parent, inputs):
    def variants(name):
        if name not in first_run:
            first_run[name] = list(made(name).variants(parent, inputs, seed=1))
        return first_run[name]

    return variants


def weights(variant):
    return as_safetensors(variant.model)


def test_the_methods_of_the_first_pools_are_there():
    expected = "apoz clone_and_prune dropnet hce_style magnitude magnitude_control net_trim quantisation"
    assert {*expected.split(), "quantisation_aware", "sparse_evolution", "strategic_synthesis"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_describes_itself_in_one_line(name):
    first = plugins.load("evo_ensyth.synthesis.compression", name, "compressor").__doc__.splitlines()[0]
    assert re.fullmatch(r"[A-Z].*: .*[^.]\.", first)
    assert len(first) <= 117


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_frozen_dataclass_whose_settings_have_defaults_save_trainings_and_methods(name):
    cls = class_of(name)
    assert cls.__dataclass_params__.frozen
    hints = typing.get_type_hints(cls)
    for part in dataclasses.fields(cls):
        if part.default is dataclasses.MISSING and part.default_factory is dataclasses.MISSING:
            kinds = {hints[part.name], *typing.get_args(hints[part.name])}
            assert kinds & {Training, FineTuning, Compressor}, part.name
    with pytest.raises(dataclasses.FrozenInstanceError):
        made(name).anything = 1


@pytest.mark.parametrize("name", NAMES)
def test_its_settings_are_plain_json_and_name_its_kind(name):
    described = as_json(made(name))
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    assert described["kind"].startswith("compression.")


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_out_of_its_range_is_named_in_the_error(name):
    method, checked = made(name), []
    for part in dataclasses.fields(method):
        value = getattr(method, part.name)
        nonsense = {str: "nonsense", int: -1, float: float("nan")}.get(type(value), (-1,))
        if dataclasses.is_dataclass(value) or value is None or part.name in ("layers", "partners"):
            continue
        with pytest.raises(InputError, match=part.name):
            dataclasses.replace(method, **{part.name: nonsense})
        checked.append(part.name)
    own = [part.name for part in dataclasses.fields(method) if part.name not in ("of", "tuning", "training")]
    assert checked or not own


@pytest.mark.parametrize("name", NAMES)
def test_names_are_valid_distinct_and_those_of_the_variants(name, variants):
    names = made(name).names()
    assert isinstance(names, tuple)
    assert len(set(names)) == len(names) > 0
    assert all(map(MEMBER_NAME.fullmatch, names))
    assert tuple(variant.name for variant in variants(name)) == names


@pytest.mark.parametrize("name", NAMES)
def test_origins_name_the_method_and_all_that_is_reported_is_plain_json(name, variants):
    for variant in variants(name):
        assert variant.origin["method"] == name.removesuffix("_control")
        for content in (dict(variant.origin), dict(variant.report)):
            assert json.loads(json.dumps(content, allow_nan=False)) == content


@pytest.mark.parametrize("name", NAMES)
def test_the_parent_and_the_inputs_stay_as_they_are(name, parent, inputs):
    before = copy.deepcopy((parent.state_dict(), inputs.untrained.state_dict(), inputs.calibration))
    images, labels = inputs.train.images.copy(), inputs.train.y_true.copy()
    for variant in made(name).variants(parent, inputs, seed=1):
        assert variant.model is not parent
    for one, other in zip(before[:2], (parent.state_dict(), inputs.untrained.state_dict()), strict=True):
        for key, tensor in one.items():
            assert torch.equal(tensor, other[key])
    assert torch.equal(before[2], inputs.calibration)
    np.testing.assert_array_equal(images, inputs.train.images)
    np.testing.assert_array_equal(labels, inputs.train.y_true)
    assert not parent.training
    assert all(parameter.requires_grad for parameter in parent.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_variants_whatever_torch_drew_before(name, parent, inputs, variants):
    torch.manual_seed(99)
    again = list(made(name).variants(parent, inputs, seed=1))
    assert list(map(weights, again)) == list(map(weights, variants(name)))
    assert [(v.origin, v.report) for v in again] == [(v.origin, v.report) for v in variants(name)]


@pytest.mark.parametrize("name", NAMES)
def test_an_interrupted_method_continues_from_its_scratch_folder_with_the_same_result(
    name, parent, inputs, variants, tmp_path
):
    begun = made(name).variants(parent, inputs, seed=1, scratch=tmp_path)
    next(begun)
    begun.close()
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    resumed = list(made(name).variants(parent, inputs, seed=1, scratch=tmp_path))
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert list(map(weights, resumed)) == list(map(weights, variants(name)))


@pytest.mark.parametrize("name", NAMES)
def test_a_method_that_is_stopped_on_its_way_resumes_with_the_same_result(name, parent, inputs, variants, tmp_path):
    reports = []
    list(made(name).variants(parent, inputs, seed=1, progress=reports.append))
    left = [len(reports) // 2 + 1]

    def stop(report):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(made(name).variants(parent, inputs, seed=1, scratch=tmp_path, progress=stop))
    resumed = list(made(name).variants(parent, inputs, seed=1, scratch=tmp_path))
    assert list(map(weights, resumed)) == list(map(weights, variants(name)))


@pytest.mark.parametrize("name", DRAWING)
def test_another_seed_gives_other_variants(name, parent, inputs, variants):
    others = list(made(name).variants(parent, inputs, seed=2))
    assert not set(map(weights, others)) & set(map(weights, variants(name)))


@pytest.mark.parametrize("name", NAMES)
def test_variants_are_in_evaluation_mode_differ_from_the_parent_and_return_from_their_weights(
    name, parent, inputs, variants
):
    for variant in variants(name):
        assert not variant.model.training
        assert weights(variant) != as_safetensors(parent)
        again = with_state(networks.build("small", 10, seed=2), variant.model.state_dict())
        assert as_safetensors(again) == weights(variant)
        with torch.inference_mode():
            logits = variant.model(inputs.calibration)
            assert torch.equal(again(inputs.calibration), logits)
        assert logits.shape == (len(inputs.calibration), 10)
        assert logits.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_progress_is_reported_in_words(name, parent, inputs):
    reports = []
    next(made(name).variants(parent, inputs, seed=1, progress=reports.append))
    assert reports
    assert all(isinstance(report, str) and report for report in reports)


@pytest.mark.parametrize("name", NAMES)
def test_its_work_is_estimated_or_said_to_be_unknown(name, parent):
    work = compression.work_of(made(name), parent, 100)
    assert work is None or isinstance(work, Work)
    if work is not None:
        least, most = work.multiplications
        assert 0 <= least <= most
        assert work.scratch_bytes >= 0
        assert all(part.times > 0 for part in work.descents)


# By name


def test_a_method_is_found_by_name_with_its_defaults_and_an_instance_is_left_alone():
    assert compression.find("quantisation") == compression.find(class_of("quantisation")) == class_of("quantisation")()
    method = made("dropnet")
    assert compression.find(method) is method


def test_a_method_of_ones_own_is_found_by_its_dotted_name(tmp_path, monkeypatch):
    (tmp_path / "my_rounding.py").write_text(compression.__doc__.partition("For example::")[2].replace("\n    ", "\n"))
    (tmp_path / "mylab").mkdir()
    (tmp_path / "my_rounding.py").rename(tmp_path / "mylab" / "rounding.py")
    monkeypatch.syspath_prepend(tmp_path)
    assert compression.find("mylab.rounding").names() == ("rounding-2",)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ("quantization", "no compressor called 'quantization'. Did you mean 'quantisation'"),
        ("apoz", "compressor 'apoz' needs settings: tuning; use APoZ"),
        (class_of("apoz"), "compressor 'APoZ' needs settings: tuning; use APoZ"),
        (3, "3 is no compressor; expected a name, such as 'apoz', or an object with 'variants'"),
    ],
)
def test_what_is_no_method_is_refused(wrong, complaint):
    with pytest.raises(InputError, match=re.escape(complaint)):
        compression.find(wrong)
