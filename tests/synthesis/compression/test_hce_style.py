"""HCE-style: the loss written out, what each term rewards, and partners that stay pruned and quantised."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional

from evo_ensyth.errors import InputError
from evo_ensyth.synthesis import networks
from evo_ensyth.synthesis.compression._joint_training import (
    TERMS,
    JointNetwork,
    hard_samples,
    joint_loss,
    log_determinant,
    tuned,
    variance,
)
from evo_ensyth.synthesis.compression.hce_style import HceStyle
from evo_ensyth.synthesis.compression.magnitude import Magnitude
from evo_ensyth.synthesis.compression.quantisation import Quantisation
from evo_ensyth.synthesis.compression.quantisation_aware import QuantisationAware
from evo_ensyth.synthesis.descent import fine_tune
from evo_ensyth.synthesis.layer_surgery import quantised_bits
from evo_ensyth.synthesis.network import weighted_layers
from evo_ensyth.synthesis.reproducibility import derived_seed
from evo_ensyth.synthesis.training import FineTuning

pytestmark = pytest.mark.usefixtures("one_thread")

UNTUNED = FineTuning(name="none", epochs=0)
SHORT = FineTuning(name="short", epochs=1, batch=50, optimiser="adam", learning_rate=3e-3)
WAYS = (*TERMS, "together", "alone")
SETTINGS = {"strength": 0.3, "own": 0.7, "teacher": 0.4}


@pytest.fixture
def small():
    return networks.build("small", 10, seed=1)


def drawn(k=3, n_samples=6, n_classes=4, seed=0):
    """Logits in float64 of a teacher and so many partners, and labels."""
    rng = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(n_samples, 1 + k, n_classes, generator=rng, dtype=torch.float64)
    return logits, torch.randint(n_classes, (n_samples,), generator=rng)


def all_variants(method, parent, inputs_of, seed=0, **options):
    return {variant.name: variant for variant in method.variants(parent, inputs_of(parent), seed=seed, **options)}


def assert_same_states(one, other):
    for name, tensor in one.state_dict().items():
        np.testing.assert_array_equal(tensor, other.state_dict()[name])


# The loss


@pytest.mark.parametrize("diversity", WAYS)
def test_the_loss_is_as_written_sample_by_sample(diversity):
    logits, labels = drawn()
    everything = logits.softmax(dim=2).numpy()
    total = 0.0
    for (teacher, *partners), label in zip(everything, labels.numpy(), strict=True):
        k, mean = len(partners), sum(partners) / len(partners)
        own = sum(-math.log(p[label]) for p in partners) / k
        divergence = sum(sum(t * math.log(t / q) for t, q in zip(teacher, p, strict=True)) for p in partners) / k
        wrong = [p.argmax() != label for p in partners]
        others = [np.delete(p, label) for p in partners]
        units = np.array([p / np.sqrt((p**2).sum()) for p in others])
        gram = (units @ units.T + 1e-3 * np.eye(k)) / (1 + 1e-3)
        diverse = {
            "variance": sum(((p - mean) ** 2).sum() for p in partners) / k,
            "log_determinant": math.log(np.linalg.det(gram)),
            "hard_samples": sum(math.log(p[label]) * (sum(wrong) - wrong[i]) / (k - 1) for i, p in enumerate(partners))
            / k,
        }.get(diversity, 0.0)
        together = 0.0 if diversity == "alone" else -math.log(mean[label])
        total += together + 0.7 * own + 0.4 * divergence - 0.3 * diverse
    found = joint_loss(logits, labels, diversity=diversity, **SETTINGS)
    assert float(found) == pytest.approx(total / len(labels), rel=1e-12)


@pytest.mark.parametrize("diversity", WAYS)
def test_its_gradient_is_that_of_finite_differences(diversity):
    logits, labels = drawn(n_samples=3)
    assert torch.autograd.gradcheck(
        lambda values: joint_loss(values, labels, diversity=diversity, **SETTINGS), logits.requires_grad_()
    )


def test_variance_is_zero_exactly_where_all_agree_and_minus_the_correlation_of_deviations():
    logits, labels = drawn()
    logs = logits[:, 1:].log_softmax(dim=2)
    assert float(variance(logs, labels)) > 0
    assert float(variance(logs[:, :1].expand(-1, 3, -1), labels)) == pytest.approx(0, abs=1e-30)
    apart = logs.exp() - logs.exp().mean(dim=1, keepdim=True)
    correlation = (apart * (apart.sum(dim=1, keepdim=True) - apart)).sum(dim=2).mean()
    assert float(variance(logs, labels)) == pytest.approx(-float(correlation), rel=1e-12)


def test_the_determinant_is_of_wrong_classes_alone():
    """Largest, 0, for partners whose mistakes are orthogonal, and finite where they are the same."""
    mistakes = torch.tensor([[[0.6, 0.4, 1e-12, 1e-12], [0.3, 1e-12, 0.7, 1e-12]]], dtype=torch.float64).log()
    label = torch.tensor([0])
    assert float(log_determinant(mistakes, label)) == pytest.approx(0, abs=1e-9)
    alike = mistakes[:, :1].expand(-1, 2, -1)
    assert float(log_determinant(alike, label)) == pytest.approx(math.log(1 - (1 / 1.001) ** 2))


def test_hard_samples_are_those_that_mislead_the_others():
    logs = torch.tensor([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.9, 0.1]]], dtype=torch.float64).log()
    found = hard_samples(logs, torch.tensor([0, 0]))
    assert float(found) == pytest.approx(math.log(0.9) / 4)  # Of the first sample, the first partner's.


@pytest.mark.parametrize("diversity", TERMS)
def test_of_one_partner_nothing_is_diverse(diversity):
    logits, labels = drawn(k=1)
    assert float(TERMS[diversity](logits[:, 1:].log_softmax(dim=2), labels)) == pytest.approx(0, abs=1e-12)
    found = joint_loss(logits, labels, diversity=diversity, strength=0.3, own=0.0, teacher=0.0)
    assert float(found) == pytest.approx(float(functional.cross_entropy(logits[:, 1], labels)))


def test_the_more_its_own_error_counts_the_nearer_is_a_partner_to_being_alone():
    logits, labels = drawn()

    def gradient(diversity, own):
        values = logits.clone().requires_grad_()
        joint_loss(values, labels, diversity=diversity, strength=0.0, own=own, teacher=0.0).backward()
        return values.grad / own

    gaps = [(gradient("variance", own) - gradient("alone", own)).norm() for own in (1, 10, 100)]
    assert gaps[0] > 0
    np.testing.assert_allclose(gaps, [gaps[0], gaps[0] / 10, gaps[0] / 100], rtol=1e-9)


# Partners


@pytest.mark.parametrize("diversity", WAYS)
def test_zeros_and_bits_stay_and_the_rest_is_trained(small, inputs_of, diversity):
    method = HceStyle(SHORT, diversity=diversity, warm_up=SHORT)
    pruned, rounded = (variant.model for variant in all_variants(method, small, inputs_of).values())
    begun = next(Magnitude((0.8,)).variants(small, inputs_of(small), seed=0)).model
    for name, layer in weighted_layers(pruned).items():
        own = begun.get_submodule(name).weight
        np.testing.assert_array_equal(layer.weight.detach() == 0, own.detach() == 0)
        assert quantised_bits(layer) is None
        assert quantised_bits(rounded.get_submodule(name)) == 3
    assert not np.array_equal(pruned.fc3.weight.detach(), begun.fc3.weight.detach())
    assert not np.array_equal(rounded.fc3.bias.detach(), small.fc3.bias.detach())
    assert not pruned.training
    assert not rounded.training
    assert all(parameter.requires_grad for model in (pruned, rounded) for parameter in model.parameters())


def test_without_epochs_partners_are_what_their_methods_make(small, inputs_of):
    method = HceStyle(UNTUNED, (Magnitude((0.5,)), Quantisation((4, 2))))
    variants = list(all_variants(method, small, inputs_of).values())
    plain = [*Magnitude((0.5,)).variants(small, inputs_of(small), seed=0)]
    plain += Quantisation((4, 2)).variants(small, inputs_of(small), seed=0)
    for variant, expected in zip(variants, plain, strict=True):
        # Steps begin where the squared error is least, and are stored with as few digits.
        for name, tensor in expected.model.state_dict().items():
            np.testing.assert_allclose(variant.model.state_dict()[name], tensor, rtol=1e-4, atol=1e-6)


def test_alone_each_partner_is_as_if_fine_tuned_by_itself(small, inputs_of, digits):
    """The mean of two partners' losses, twice, is their sum, and each one's gradient is its own."""
    plain = HceStyle(SHORT, diversity="alone", own=2.0, teacher=0.0)
    warmed = HceStyle(UNTUNED, warm_up=SHORT, diversity="alone")
    begun = next(Magnitude((0.8,)).variants(small, inputs_of(small), seed=0)).model
    for method, way in ((plain, "hce_style-alone"), (warmed, "hce_style-warm_up")):
        pruned, rounded = (variant.model for variant in all_variants(method, small, inputs_of).values())
        seed = derived_seed(0, way)
        expected = fine_tune(begun, digits, SHORT, seed=seed)
        for name, tensor in expected.state_dict().items():
            np.testing.assert_allclose(pruned.state_dict()[name], tensor, rtol=1e-5, atol=1e-7)
        aware = QuantisationAware(SHORT, bits=(3,))._tuned(small, 3, inputs_of(small), seed)
        for name, tensor in aware.state_dict().items():
            np.testing.assert_allclose(rounded.state_dict()[name], tensor, rtol=1e-4, atol=1e-6)


def test_a_term_moves_partners_apart_on_what_it_measures(small, inputs_of, digits):
    images, labels = inputs_of(small).calibration, torch.tensor(digits.y_true, dtype=torch.long)

    def measured(diversity, strength, term):
        method = HceStyle(SHORT, diversity=diversity, strengths=(strength,), own=0.0, teacher=0.0)
        partners = [variant.model for variant in all_variants(method, small, inputs_of).values()]
        with torch.inference_mode():
            logs = torch.stack([partner(images) for partner in partners], dim=1).log_softmax(dim=2)
            return float(TERMS[term](logs, labels))

    for term in ("variance", "log_determinant"):  # What is hard changes with the partners.
        assert measured(term, 3.0, term) > measured("together", 1.0, term)


def test_the_teacher_is_the_parent_and_neither_changes(small, inputs_of, digits):
    before = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    all_variants(HceStyle(SHORT), small, inputs_of)
    for name, tensor in small.state_dict().items():
        np.testing.assert_array_equal(tensor, before[name])
    assert all(parameter.requires_grad for parameter in small.parameters())
    loss = partial(joint_loss, diversity="variance", **SETTINGS)
    network = JointNetwork(small, [networks.build("small", 10, seed=2)])
    for seed in (0, 1):
        network = tuned(network, inputs_of(small), SHORT, seed, loss)
        assert_same_states(network.teacher, small)
    together = JointNetwork(small, [networks.build("small", 10, seed=2)]).train()
    assert (together.teacher.training, together.partner(0).training) == (False, True)
    images = inputs_of(small).calibration
    with torch.inference_mode():
        answers = together.eval()(images)
        np.testing.assert_array_equal(answers[:, 0], small(images))
        np.testing.assert_array_equal(answers[:, 1], together.partner(0)(images))


# What is reported, and what is refused


def test_names_hold_term_strength_and_partner(small, inputs_of):
    method = HceStyle(UNTUNED, strengths=(0.03, 0.3))
    partners = ("magnitude-global-0.8", "quantisation-3")
    assert method.names() == tuple(f"hce_style-variance-{s}-{p}" for s in (0.03, 0.3) for p in partners)
    assert HceStyle(UNTUNED, diversity="alone").names() == tuple(f"hce_style-alone-{p}" for p in partners)
    variants = all_variants(method, small, inputs_of)
    assert tuple(variants) == method.names()
    last = variants["hce_style-variance-0.3-quantisation-3"]
    assert last.origin["partner"] == {"method": "quantisation", "bits": 3, "span": "least_squares"}
    assert (last.origin["diversity"], last.origin["strength"], last.origin["tuning"]) == ("variance", 0.3, "none")
    assert last.report == {"partners": list(partners)}


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (
            {"diversity": "entropy"},
            "diversity is 'entropy'; there is variance, log_determinant, hard_samples, together",
        ),
        ({"strengths": ()}, r"strengths are \(\); expected at least one, all above 0"),
        ({"strengths": (0.0,)}, r"strengths are \(0\.0,\)"),
        ({"own": -1.0}, r"own is -1\.0; it must be 0 or more"),
        ({"teacher": math.nan}, "teacher is nan"),
        ({"partners": ()}, "the partners are called ; expected at least one"),
        ({"partners": (Quantisation((3,)), Quantisation((3,)))}, "called quantisation-3, quantisation-3"),
        ({"warm_up": FineTuning(name="x", epochs=1, l2=(("fc1", 0.1),))}, "tuning or warm_up has l2 terms"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, complaint):
    with pytest.raises(InputError, match=complaint):
        HceStyle(SHORT, **settings)


def test_a_quantised_parent_is_refused(small, inputs_of):
    (coded,) = Quantisation((8,)).variants(small, inputs_of(small), seed=0)
    with pytest.raises(InputError, match="quantised weights cannot be trained"):
        next(HceStyle(SHORT).variants(coded.model, inputs_of(small), seed=0))
