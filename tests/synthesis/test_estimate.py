"""What is estimated, against what is done: steps that are counted, files that are weighed, schedules worked by hand."""

from dataclasses import dataclass, fields, is_dataclass, replace

import pytest

from evo_ensyth import workspace
from evo_ensyth.errors import InputError
from evo_ensyth.synthesis import (
    BuildFolder,
    CloneAndPrune,
    DropNet,
    Gradual,
    Magnitude,
    NetTrim,
    OtherParent,
    Quantisation,
    Recipe,
    Route,
    build_pool,
    builder,
    networks,
)
from evo_ensyth.synthesis import estimate as estimating
from evo_ensyth.synthesis.compression.magnitude_control import MagnitudeControl
from evo_ensyth.synthesis.compression.net_trim import CALLS, OUTPUT
from evo_ensyth.synthesis.estimate import _makespan, estimate_pool
from evo_ensyth.synthesis.gradient_step import GradientStep
from evo_ensyth.synthesis.progress import silent
from evo_ensyth.synthesis.steps import Step
from evo_ensyth.synthesis.training import FineTuning, Training

PARENT = Training(epochs=1, batch=100)
TUNED = FineTuning(name="tuned", epochs=2, batch=100)


def estimated(recipe, folder, workers=0):
    return estimate_pool(BuildFolder(folder, recipe, "digits"), workers=workers, progress=silent)


def shortened(value):
    """The same recipe with one epoch wherever there are several, and with programs solved roughly."""
    if isinstance(value, tuple):
        return tuple(shortened(part) for part in value)
    if not is_dataclass(value):
        return value
    changes = {field.name: shortened(getattr(value, field.name)) for field in fields(value)}
    short = {"epochs": 1, "max_iterations": 25}
    return replace(value, **changes | {name: short[name] for name in short.keys() & changes.keys()})


def recipe(*routes, **settings):
    return Recipe(
        **{
            "dataset": "digits",
            "n_search": 500,
            "network": "small",
            "training": PARENT,
            "compressors": routes,
            "fine_tunings": (TUNED,),
            "n_calibration": 50,
        }
        | settings
    )


@pytest.fixture
def counted(monkeypatch):
    """Makes a step of any training take a second, and all else no time, so that an estimate counts steps."""
    monkeypatch.setattr(estimating._Clock, "_step", lambda self, parent, settings, n_heads: 1.0)
    monkeypatch.setattr(estimating._Clock, "_predict", lambda self, parent: 0.0)
    monkeypatch.setattr(estimating._Clock, "_multiplication", lambda self: 0.0)
    for name, value in {"LEAST": 1.0, "MOST": 1.0, "BETWEEN": 0.0, "STARTING": 0.0}.items():
        monkeypatch.setattr(estimating, name, value)


def test_the_steps_and_bytes_of_every_method_are_those_that_are_done(counted, monkeypatch, tmp_path):
    """A route of each method. DropNet keeps a tenth of the samples for itself, and removes units."""
    whole = workspace.problem_module("digits_mixed").recipe()
    routes = {type(route.compressor): route for route in whole.compressors}
    mixed = shortened(replace(whole, compressors=tuple(routes.values()), n_calibration=100))
    n_members = len(mixed.members())
    expected = estimated(mixed, tmp_path / "pool")
    real, n_steps, peaks = GradientStep.__call__, [], []

    def step(self, *arguments):
        parts = dict(self.network.named_children())
        n_steps.append(len(parts) if "teacher" in parts else 1)
        return real(self, *arguments)

    monkeypatch.setattr(GradientStep, "__call__", step)
    monkeypatch.setattr(BuildFolder, "close", lambda *_, **__: peaks.append(size(tmp_path / "pool")))
    build_pool(mixed, tmp_path / "pool", problem="mixed")
    assert expected.seconds[0] == expected.seconds[1]
    assert sum(n_steps) <= expected.seconds[0] <= 1.04 * sum(n_steps)
    assert 0.8 < expected.peak_bytes / peaks[0] < 1.25
    assert 1 < expected.kept_bytes / size(tmp_path / "pool") < 1.25
    assert expected.unknown == ()
    assert (expected.n_made, expected.n_planned) == (0, n_members)
    done = estimated(mixed, tmp_path / "pool")
    assert (done.n_made, done.seconds) == (n_members, (0, 0))


def size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_what_is_made_already_takes_no_time(counted, tmp_path):
    """8 steps an epoch: a parent, and 2 epochs for each of the members; then only for the new ones."""
    few = Route(Magnitude((0.5, 0.8)), (TUNED,))
    assert estimated(recipe(few), tmp_path / "pool").seconds == (40, 40)
    build_pool(recipe(few), tmp_path / "pool", problem="digits")
    left = estimated(recipe(few, Route(CloneAndPrune(2), (TUNED,))), tmp_path / "pool")
    assert (left.seconds, left.n_made, left.n_planned) == ((32, 32), 2, 4)


def test_heads_of_a_stack_take_one_step_together(counted, tmp_path):
    """8 steps an epoch: a parent, then 2 epochs for four variants together, and for the fifth."""
    tuned = replace(TUNED, convolutions=False, stack=4)
    stacked = recipe(Route(Magnitude((0.1, 0.2, 0.3, 0.4, 0.5)), (tuned,)))
    found = estimated(stacked, tmp_path / "pool")
    assert found.seconds == (40, 40)
    assert found.n_planned == 5


def test_the_steps_of_a_stack_are_timed_as_such(monkeypatch, tmp_path):
    widths, real = [], estimating.fine_tune_together

    def noted(networks, *arguments, **settings):
        widths.append(len(networks))
        return real(networks, *arguments, **settings)

    monkeypatch.setattr(estimating, "fine_tune_together", noted)
    tuned = replace(TUNED, convolutions=False, stack=4)
    found = estimated(recipe(Route(Magnitude((0.1, 0.2, 0.3)), (tuned,))), tmp_path)
    assert set(widths) == {3}
    assert 0 < found.seconds[0] < found.seconds[1] < 600


def test_an_interrupted_method_takes_what_is_left(counted, tmp_path):
    """Of a method with two variants of 16 steps each, one is there: so is the parent; neither is a member yet."""
    gradual = recipe(Route(Magnitude((0.5, 0.8), gradual=Gradual(TUNED, n_steps=1))))

    def interrupt(done, total, text):
        if "gradual-0.8, step" in text:
            raise KeyboardInterrupt

    assert estimated(gradual, tmp_path / "pool").seconds == (40, 40)
    with pytest.raises(KeyboardInterrupt):
        build_pool(gradual, tmp_path / "pool", problem="digits", progress=interrupt)
    assert estimated(gradual, tmp_path / "pool").seconds == (16, 16)


def test_other_parents_are_trained_and_a_control_finds_what_its_method_has_done(counted, tmp_path):
    second = OtherParent(name="second", network="small", training=replace(PARENT, epochs=3))
    both = recipe(Route(Quantisation((8,))), Route(Quantisation((4,)), parent="second"), parents=(second,))
    assert estimated(both, tmp_path / "pool").seconds == (32, 32)
    assert estimated(both, tmp_path / "pool", workers=2).seconds == (24, 24)
    method = Magnitude((0.5,), gradual=Gradual(TUNED, n_steps=2))
    controlled = recipe(Route(method), controls=(MagnitudeControl(of=method),))
    assert estimated(controlled, tmp_path / "pool").seconds == (8 + 32 + 16,) * 2


def test_a_training_with_patience_is_a_range(counted, tmp_path):
    patient = recipe(Route(DropNet(n_cycles=2, patience=1, training=replace(PARENT, epochs=5))))
    assert estimated(patient, tmp_path / "pool").seconds == (8 + 2 * 16, 8 + 2 * 40)


@dataclass(frozen=True)
class Silent:
    """A method that gives no estimate of its work."""

    def names(self):
        return ("silent",)

    def variants(self, parent, inputs, **_):
        raise NotImplementedError


def test_the_time_of_a_method_that_gives_no_estimate_is_unknown(counted, tmp_path):
    unknown = recipe(Route(Silent(), (TUNED,), then=(Quantisation((4,)),)), Route(Quantisation((8,))))
    found = estimated(unknown, tmp_path / "pool")
    assert found.unknown == ("silent-tuned",)
    assert found.seconds == (8 + 16,) * 2
    assert not (tmp_path / "pool").exists()


def test_workers_take_the_first_step_whose_needs_are_there():
    """A parent of 1 s; two variants that come after 2 and 4 s more; a member of 3 s from each."""
    steps = [
        (Step("train", "parent", (), ("parent",)), 1.0),
        (Step("compress", "method", ("parent",), ("first", "second")), 4.0),
        (Step("make", "a", ("first",), ("a",)), 3.0),
        (Step("make", "b", ("second",), ("b",)), 3.0),
    ]
    assert [_makespan(steps, n_workers) for n_workers in (1, 2, 3)] == [11.0, 8.0, 8.0]
    assert _makespan([(Step("make", str(i), (), (str(i),)), 2.0) for i in range(5)], 2) == 6.0


def test_steps_are_really_timed(tmp_path):
    found = estimated(recipe(Route(Quantisation((8,)), (TUNED,))), tmp_path, workers=2)
    assert 0 < found.seconds[0] < found.seconds[1] < 600


def test_without_data_there_is_no_estimate(monkeypatch, tmp_path):
    def missing(name):
        raise InputError("it is missing")

    monkeypatch.setattr(builder.datasets, "load", missing)
    with pytest.raises(InputError, match="it is missing"):
        estimated(recipe(Route(Quantisation((8,)))), tmp_path)


def test_the_multiplications_of_a_solver_are_those_of_its_products():
    """Dense layers of 256, 48 and 24 inputs, each with a bias; the transposed product, the inverse, and the answers."""
    small = networks.build("small", 10, seed=0)
    sizes = ((257, 48), (49, 24), (25, 10))
    prepared = sum(2 * n**2 * (100 + n) for n, _ in sizes)
    iteration = sum(100 * n * m + n * n * m + 100 * n * m + 100 * m * OUTPUT + CALLS for n, m in sizes)
    least, most = NetTrim(epsilons=(0.1, 0.2)).work(small, 100).multiplications
    assert least == prepared + 2 * 75 * iteration
    assert most == prepared + 2 * 400 * iteration
    filters = NetTrim(epsilons=(0.1,), layers=("conv2",)).work(small, 2000)
    outputs, inputs = small.conv2.out_channels, small.conv2.weight[0].numel() + 1
    assert filters.scratch_bytes == 4 * outputs * (20_000 + 3 * inputs)  # 10 of 16 positions of each image
    assert filters.multiplications[1] > 30 * filters.multiplications[0]
