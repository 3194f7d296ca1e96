"""Devices without a card: which one is meant, what a pool records, and that nothing strays from the device.

torch's device "meta" has shapes and no values. It refuses to compute with tensors of another device, and to give a
value away; so what only fails in giving its result away has computed on the device throughout.
"""

import json
import shutil
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from test_build import RECIPE

from evo_ensyth.errors import EvoEnsythError, InputError
from evo_ensyth.io import read_pool
from evo_ensyth.synthesis import (
    build_pool,
    default_workers,
    descent,
    devices,
    gradient_step,
    head_stack,
    measure,
    networks,
)
from evo_ensyth.synthesis.builder import Builder
from evo_ensyth.synthesis.compression._convex_program import linear_program, relu_program
from evo_ensyth.synthesis.compression._joint_training import JointNetwork, joint_loss
from evo_ensyth.synthesis.compression._layer_inputs import unfolded
from evo_ensyth.synthesis.compression._learned_steps import learning_steps
from evo_ensyth.synthesis.compression._splitting import Splitting
from evo_ensyth.synthesis.compression._units import unit_means
from evo_ensyth.synthesis.devices import CPU, describe_device, find_devices, has_float64, memory_reported
from evo_ensyth.synthesis.frozen_trunk import TrunkFeatures, trunk_and_head
from evo_ensyth.synthesis.head_stack import fine_tune_together
from evo_ensyth.synthesis.inspection.units import find_units
from evo_ensyth.synthesis.network import StandardisedCrop
from evo_ensyth.synthesis.steps import Step
from evo_ensyth.synthesis.training import FineTuning, Training

META = torch.device("meta")
CARDS = (torch.device("cuda:0"), torch.device("cuda:1"))
GIVEN_AWAY = r"item\(\) cannot be called on meta|Cannot copy out of meta tensor"


@pytest.fixture
def small():
    return networks.build("small", 10, seed=1)


@pytest.fixture
def two_cards(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


# Which device is meant


def test_without_a_card_everything_is_on_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert find_devices("auto") == find_devices("cpu") == find_devices("auto", ["cuda"]) == (CPU,)
    with pytest.raises(InputError, match=r"device is 'cuda', which torch .* does not see here; there is cpu\."):
        find_devices("cuda")


def test_cuda_is_every_card_and_a_number_one_of_them(two_cards):
    assert find_devices("auto") == find_devices("cuda") == CARDS
    assert find_devices("cuda:1") == CARDS[1:]
    assert find_devices("auto", ["cpu"]) == (CPU,)  # as the pool was begun
    with pytest.raises(InputError, match=r"'cuda:2', .* there is cuda:0, cuda:1, "):
        find_devices("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "CPU", "cuda:0 ", "meta", ""])
def test_a_device_of_another_name_is_refused(name):
    with pytest.raises(InputError, match=r"expected auto, cpu, cuda, cuda:1 \(the second card\) or mps\."):
        find_devices(name)


def test_every_card_has_a_worker(two_cards):
    assert default_workers(RECIPE, CARDS) == 2
    assert default_workers(RECIPE, CARDS[1:]) == 1
    assert default_workers(RECIPE) >= 1


def test_a_card_is_described_with_driver_and_libraries(monkeypatch, tmp_path):
    version = tmp_path / "version"
    version.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.159.04  Tue May 1\nGCC version: 12.1.0\n")
    monkeypatch.setattr(devices, "DRIVER", version)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"card {device.index}")
    found = describe_device(CARDS[1])
    assert (found["kind"], found["card"], found["driver"]) == ("cuda", "card 1", "580.159.04")
    assert set(found) == {"kind", "card", "driver", "cuda", "cudnn", "torch"}
    version.unlink()
    assert describe_device(CARDS[1])["driver"] is None
    assert describe_device(CPU) == {"kind": "cpu", "torch": torch.__version__}


def test_a_card_without_memory_says_what_to_do(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (3 * 2**20, 80_000 * 2**20))
    message = r"cuda:0 ran out of memory \(3 of 80,000 MiB are free\); use fewer"
    with pytest.raises(EvoEnsythError, match=message), memory_reported(CARDS[0]):
        raise torch.OutOfMemoryError("CUDA out of memory.")


def test_a_step_that_runs_out_of_memory_fails_as_such(monkeypatch):
    builder = Builder.__new__(Builder)
    builder.device = META

    def starve(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(builder, "_do", starve)
    with pytest.raises(EvoEnsythError, match="meta ran out of memory; use fewer workers"):
        builder.do(Step("make", "x", (), ()), lambda product: None, lambda *_: None)


# What a pool says of it


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A recipe of two members, and its pool."""
    folder = tmp_path_factory.mktemp("runs") / "pool"
    recipe = replace(RECIPE, training=Training(epochs=0), controls=(), fine_tunings=RECIPE.fine_tunings[:1])
    build_pool(recipe, folder, problem="tiny", device="cpu")
    return recipe, folder


def test_a_pool_records_its_device_and_the_cpu_is_what_earlier_versions_meant(tiny):
    _, folder = tiny
    assert read_pool(folder).about["device"] == {"kind": "cpu", "torch": torch.__version__}
    assert "devices" not in json.loads((folder / "recipe.json").read_text())


def test_a_finished_pool_is_left_as_it_is_on_any_device(tiny, monkeypatch):
    recipe, folder = tiny
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    monkeypatch.setattr("evo_ensyth.synthesis.build.find_devices", lambda *_: (META,))
    build_pool(recipe, folder, problem="tiny", device="cuda")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_pool_is_continued_on_another_device_only_if_that_is_allowed(tiny, tmp_path):
    recipe, folder = tiny
    folder = shutil.copytree(folder, tmp_path / "pool")
    begun = json.loads((folder / "recipe.json").read_text())
    (folder / "recipe.json").write_text(json.dumps({**begun, "devices": ["cuda"]}))
    longer = replace(recipe, compressors=(*recipe.compressors, replace(recipe.compressors[0], name="more")))
    refusal = "begun on the device cuda; members made on cpu would not be .*--allow-mixed"
    with pytest.raises(InputError, match=refusal):
        build_pool(longer, folder, problem="tiny")
    build_pool(longer, folder, problem="tiny", allow_mixed=True)
    assert json.loads((folder / "recipe.json").read_text())["devices"] == ["cuda", "cpu"]
    assert read_pool(folder).about["devices"] == ["cuda", "cpu"]
    begun = json.loads((folder / "recipe.json").read_text())
    (folder / "recipe.json").write_text(json.dumps({**begun, "devices": "cuda"}))
    with pytest.raises(InputError, match="field 'devices' must be a list of names"):
        build_pool(longer, folder, problem="tiny")


# Nothing strays


@pytest.fixture
def generator_of_the_cpu(monkeypatch):
    """Meta has no generator of its own."""
    assert (torch.empty(1, device=META) == 0).device == META  # When it is first used, torch asks what a generator is.
    monkeypatch.setattr(torch, "Generator", lambda device=None: torch._C.Generator())


@pytest.fixture
def steps(monkeypatch):
    """Whether a step was taken to its end. Which weights are zero, meta cannot say: those of a layer are masked."""
    taken, real = [], gradient_step.GradientStep._descend

    def noted(self, *arguments):
        losses = real(self, *arguments)
        taken.append(losses.device)
        return losses

    def masks(network):
        return {weight: weight == 0 for name, weight in network.named_parameters() if name.endswith("fc1.weight")}

    monkeypatch.setattr(gradient_step.GradientStep, "_descend", noted)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # which meta does not know
    for module in (descent, head_stack):
        monkeypatch.setattr(module, "zeros_of", masks)
    return taken


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
@pytest.mark.parametrize("kind", ["pruned", "frozen", "rounding", "joint"])
def test_a_step_of_training_stays_on_the_device(kind, optimiser, small, digits, generator_of_the_cpu, steps):
    settings = FineTuning(
        name="x", epochs=1, batch=40, optimiser=optimiser, l2=(("fc1", 0.1),), convolutions=kind != "frozen", keep=0.5
    )
    loss = torch.nn.functional.cross_entropy
    if kind == "rounding":
        small = learning_steps(small, {"conv2": 4, "fc3": 4})
    elif kind == "joint":
        small, settings = JointNetwork(small, [small, small]), replace(settings, l2=())

        def loss(logits, labels):
            return joint_loss(logits, labels, diversity="log_determinant", strength=1.0, own=1.0, teacher=1.0)

    else:
        small.fc1.weight.data[::2] = 0
    with pytest.raises(Exception, match=GIVEN_AWAY):  # the loss, for the first report
        descent.fine_tune(small, digits, replace(settings, l2=()), seed=1, device=META, loss=loss)
    assert steps == [META]


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_a_step_of_a_stack_stays_on_the_device(optimiser, small, digits, generator_of_the_cpu, steps):
    class Features(TrunkFeatures):
        def of(self, network, data, **_):
            _, head = trunk_and_head(network, data)
            return torch.empty(len(data), 256, device=META), head

    small.fc1.weight.data[::2] = 0
    settings = FineTuning(
        name="x", epochs=1, batch=40, optimiser=optimiser, l2=(("fc1", 0.1),), convolutions=False, keep=0.5, stack=2
    )
    with pytest.raises(Exception, match=GIVEN_AWAY):  # the losses, for the first report
        fine_tune_together([small] * 2, digits, settings, seeds=(1, 2), device=META, features=Features())
    assert steps == [META]


def test_predictions_and_means_of_units_stay_on_the_device(small, digits):
    with pytest.raises(NotImplementedError, match=GIVEN_AWAY):
        measure.predict(small, digits, META)
    with pytest.raises(NotImplementedError, match=GIVEN_AWAY):
        unit_means(small, digits, find_units(small), torch.abs, META)
    assert {parameter.device for parameter in small.parameters()} == {CPU}


def test_what_is_drawn_for_images_is_on_their_device():
    images = torch.zeros(4, 3, 32, 32, dtype=torch.uint8, device=META)
    drawn = StandardisedCrop((3, 24, 24)).augment(images, torch.Generator())
    assert (drawn.shape, drawn.device) == ((4, 3, 24, 24), META)


def test_the_program_of_a_layer_is_on_the_device_of_its_inputs():
    layer = torch.nn.Conv2d(3, 5, 3).to(META)
    rows = unfolded(torch.zeros(2, 3, 8, 8, device=META), layer, 4, torch.Generator())
    assert (rows.shape, rows.device) == ((8, 27), META)
    weights = torch.zeros(27, 5, dtype=torch.float64, device=META)
    for program in (relu_program, linear_program):
        made = program(rows.double(), weights)
        splitting = Splitting(made.inputs, made.active, made.targets, made.ceilings, torch.float32)
        assert {splitting.inverse.device, splitting.coupling.device} == {META}
        state = splitting.start(weights, 1.0)
        assert state.to(META).outputs.device == META
        with pytest.raises(Exception, match=GIVEN_AWAY):  # a norm
            splitting.run(state, 1.0, 2, relaxation=1.9, balance=True)


def test_what_needs_float64_does_without_mps():
    assert [has_float64(torch.device(name)) for name in ("cpu", "cuda", "mps")] == [True, True, False]
