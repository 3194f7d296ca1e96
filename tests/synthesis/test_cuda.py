"""What holds on a CUDA card, run where there is one: the same bits twice, and the CPU's answers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_build import MEMBERS, RECIPE, contents

from evo_ensyth.errors import EvoEnsythError
from evo_ensyth.io import read_pool
from evo_ensyth.synthesis import Magnitude, NetTrim, QuantisationAware, Route, build_pool, cuda_graph, measure, networks
from evo_ensyth.synthesis.compression import CompressionInputs
from evo_ensyth.synthesis.compression._joint_training import JointNetwork, joint_loss
from evo_ensyth.synthesis.compression._layer_walk import LayerWalk
from evo_ensyth.synthesis.datasets import Split
from evo_ensyth.synthesis.descent import fine_tune, train
from evo_ensyth.synthesis.devices import CPU, find_devices, memory_reported
from evo_ensyth.synthesis.frozen_trunk import TrunkFeatures
from evo_ensyth.synthesis.head_stack import fine_tune_together
from evo_ensyth.synthesis.reproducibility import reproducible
from evo_ensyth.synthesis.training import FineTuning, Training

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA card here")

CARD = torch.device("cuda", 0)
CLOSE = 1e-4  # logits nearer to each other may change their order
SETTINGS = Training(epochs=3, batch=20, learning_rate=3e-3, keep=0.7, decay=0.5, decay_steps=7)


@pytest.fixture(autouse=True)
def on_the_card():
    with reproducible(1, CARD):
        yield


def drawn_split(shape, n_samples=510, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n_samples, *shape)).astype(np.uint8)
    return Split(images, rng.integers(0, 10, n_samples).astype(np.uint8))


@pytest.fixture(scope="module", params=["small", "lenet", "cifar"])
def network(request):
    return networks.build(request.param, 10, seed=1)


@pytest.fixture
def data(network):
    channels, side, _ = network.preparation.shape
    return drawn_split((channels, 32 if side == 24 else side, 32 if side == 24 else side))


def assert_same_bits(one, other):
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_a_seed_determines_every_bit_and_a_graph_changes_none(network, data):
    """Dropout, a rate that falls, and a last batch that is smaller are in it."""
    said = []
    for optimiser in ("adam", "sgd"):
        settings = replace(SETTINGS, optimiser=optimiser)
        graph = train(network, data, settings, seed=1, device=CARD, progress=lambda *what: said.append(what[-1]))
        assert not any("without a CUDA graph" in text for text in said), said[-1]
        assert_same_bits(graph, train(network, data, settings, seed=1, device=CARD))
        assert_same_bits(graph, train(network, data, settings, seed=1, device=CARD, graph=False))
        other = train(network, data, settings, seed=2, device=CARD)
        assert not torch.equal(graph.fc1.weight, other.fc1.weight)
        assert {tensor.device for tensor in graph.state_dict().values()} == {CPU}


def test_training_resumes_with_the_bits_of_one_go(network, data, tmp_path):
    whole = train(network, data, SETTINGS, seed=1, device=CARD)
    path = tmp_path / "checkpoint"
    ends = iter([False, True])
    train(network, data, SETTINGS, seed=1, device=CARD, checkpoint=path, stop=lambda _: next(ends))
    assert_same_bits(train(network, data, SETTINGS, seed=1, device=CARD, checkpoint=path), whole)


def test_training_leaves_the_generators_as_they_were(network, data):
    before = torch.get_rng_state(), torch.cuda.get_rng_state(CARD)
    train(network, data, replace(SETTINGS, epochs=1), seed=1, device=CARD)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.equal(torch.cuda.get_rng_state(CARD), before[1])


def test_zeros_stay_zero(network, data):
    # Layer by layer: CIFAR's last layer has the smallest weights of all, and without it no gradient gets through.
    magnitude = Magnitude((0.8,), scope="layer")
    pruned = next(magnitude.variants(network, CompressionInputs(None, None, None), seed=0)).model
    for graph in (True, False):
        tuned = fine_tune(pruned, data, FineTuning(name="x", epochs=1, batch=20), seed=1, device=CARD, graph=graph)
        assert not tuned.fc1.weight[pruned.fc1.weight == 0].any()
        assert not torch.equal(tuned.fc1.weight, pruned.fc1.weight)


def test_a_step_follows_the_cpus(network, data):
    """Without draws, one epoch moves weights as the CPU does but for rounding.

    At a rate of 0.01, LeNet is chaotic enough that weights which start one unit in the last place higher end 0.0007
    apart on the CPU alone, 1 % of the longest way of a weight. At 0.001 they end 0.03 % apart.
    """
    if network.preparation.shape == (3, 24, 24):
        pytest.skip("its crops are drawn, and a card draws others")
    settings = FineTuning(name="x", epochs=1, batch=100, learning_rate=0.001, l2=(("fc1", 0.1),))
    card, cpu = (fine_tune(network, data, settings, seed=1, device=device).state_dict() for device in (CARD, CPU))
    for name, tensor in network.state_dict().items():
        moved = (cpu[name] - tensor).abs().max()
        assert (card[name] - cpu[name]).abs().max() < 0.01 * moved, name


def test_features_of_a_frozen_trunk_give_the_same_bits_every_time(network, data):
    settings = FineTuning(name="x", epochs=2, batch=20, keep=0.5, convolutions=False)
    features = TrunkFeatures()
    one = fine_tune(network, data, settings, seed=1, device=CARD, features=features)
    assert_same_bits(one, fine_tune(network, data, settings, seed=1, device=CARD, features=features))
    assert_same_bits(
        one, fine_tune(network, data, settings, seed=1, device=CARD, graph=False, features=TrunkFeatures())
    )


def test_heads_in_a_stack_have_the_same_bits_every_time_and_are_trained_as_alone(network, data):
    """A graph changes no bit. Without dropout, which draws in another way, one epoch ends where it does alone."""
    if network.preparation.shape == (3, 24, 24):
        pytest.skip("its crops are drawn, so that it has no features")
    settings = FineTuning(name="x", epochs=2, batch=20, keep=0.5, convolutions=False, stack=3)
    copies, seeds = [network] * 3, (1, 2, 3)
    one, same, eager = (
        fine_tune_together(copies, data, settings, seeds=seeds, device=CARD, graph=graph)
        for graph in (True, True, False)
    )
    for number in range(3):
        assert_same_bits(one[number], same[number])
        assert_same_bits(one[number], eager[number])
    assert not torch.equal(one[0].fc1.weight, one[1].fc1.weight)
    plain = replace(settings, epochs=1, keep=1.0, learning_rate=0.001)
    for seed, found in zip(seeds, fine_tune_together(copies, data, plain, seeds=seeds, device=CARD), strict=True):
        alone = fine_tune(network, data, plain, seed=seed, device=CARD).state_dict()
        for name, tensor in network.state_dict().items():
            moved = (alone[name] - tensor).abs().max()
            assert (found.state_dict()[name] - alone[name]).abs().max() <= 0.01 * moved, name


def test_card_and_cpu_answer_alike_but_where_logits_are_close(network, data):
    card, cpu = (measure.predict(network, data, device) for device in (CARD, CPU))
    np.testing.assert_allclose(card.scores, cpu.scores, rtol=1e-3, atol=1e-5)
    with torch.inference_mode():
        logits = network(network.prepare(torch.from_numpy(data.images)))
    best, second = logits.topk(2).values.T
    clear = (best - second > CLOSE).numpy()
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(card.y_pred[clear], cpu.y_pred[clear])
    np.testing.assert_array_equal(measure.predict(network, data, CARD).scores, card.scores)


@pytest.mark.parametrize("diversity", ["variance", "log_determinant", "hard_samples"])
def test_partners_are_trained_together(diversity):
    small, data = networks.build("small", 10, seed=1), drawn_split((1, 8, 8))

    def loss(logits, labels):
        return joint_loss(logits, labels, diversity=diversity, strength=0.3, own=1.0, teacher=1.0)

    joint = JointNetwork(small, [networks.build("small", 10, seed=seed) for seed in (2, 3)])
    settings = FineTuning(name="x", epochs=1, batch=20)
    one, same = (fine_tune(joint, data, settings, seed=1, device=CARD, loss=loss) for _ in range(2))
    assert_same_bits(one, same)


def test_rounded_weights_are_trained():
    small, data = networks.build("small", 10, seed=1), drawn_split((1, 8, 8))
    inputs = CompressionInputs(None, data, None, CARD)
    aware = QuantisationAware(FineTuning(name="x", epochs=1, batch=20), bits=(3,))
    one, same = (next(aware.variants(small, inputs, seed=0)).model for _ in range(2))
    assert_same_bits(one, same)
    measure.layers(one)  # which refuses weights that are no multiples of their steps


def test_net_trim_is_certified_on_the_card_and_near_the_cpus_optimum():
    small, data = networks.build("small", 10, seed=1), drawn_split((1, 8, 8), 200)
    calibration = small.prepare(torch.from_numpy(data.images))
    for layers in (None, ("conv2",)):
        settings = NetTrim((0.1, 0.3), layers=layers)
        walks = [LayerWalk(settings, small, calibration, lambda text: None, device) for device in (CARD, CPU)]
        for epsilon in settings.epsilons:
            (_, card), (_, cpu) = (walk.prune(epsilon) for walk in walks)
            for name, found in card["layers"].items():
                assert found["converged"]
                assert found["gap"] <= 1e-4
                assert found["ball"] <= 1 + 1e-4
                assert found["objective"] == pytest.approx(cpu["layers"][name]["objective"], rel=1e-3)


def test_a_card_without_memory_says_so():
    message = r"cuda:0 ran out of memory \(.* MiB are free\); use fewer workers"
    with pytest.raises(EvoEnsythError, match=message), memory_reported(CARD):
        torch.empty(2**50, dtype=torch.uint8, device=CARD)


def test_a_pool_is_the_same_however_many_workers_share_the_card(tmp_path):
    recipe = replace(RECIPE, compressors=(*RECIPE.compressors, Route(NetTrim((0.1, 0.3)), RECIPE.fine_tunings[:1])))
    for workers in (0, 2):
        build_pool(recipe, tmp_path / str(workers), problem="tiny", device="cuda:0", workers=workers)
    assert contents(tmp_path / "0") == contents(tmp_path / "2")
    about = read_pool(tmp_path / "0").about
    assert about["device"]["card"] == torch.cuda.get_device_name(CARD)
    assert about["device"]["kind"] == "cuda"
    assert set(MEMBERS) < set(read_pool(tmp_path / "0").pool.names)


def test_a_graph_leaves_weights_and_optimiser_as_they_were():
    small = networks.build("small", 10, seed=1).to(CARD).train()
    optimiser = torch.optim.Adam(small.parameters(), lr=torch.tensor(0.1, device=CARD), fused=True, capturable=True)
    images, labels = torch.rand(20, 1, 8, 8, device=CARD), torch.zeros(20, dtype=torch.long, device=CARD)

    def step(images, labels):
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(small(images), labels)
        loss.backward()
        optimiser.step()
        return loss.detach()

    before = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    captured = cuda_graph.CapturedStep(step, small, optimiser, images, labels)
    assert captured.failure is None
    for name, tensor in small.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert not any(value.any() for kept in optimiser.state.values() for value in kept.values())
    first, second = (captured(images, labels).item() for _ in range(2))
    assert second < first


def test_auto_is_the_card():
    assert find_devices("auto")[0] == CARD


def test_what_cannot_be_captured_is_trained_eagerly_and_said_to(network, data):
    """A loss that asks for a value on the way; dropout goes on drawing afterwards."""

    def asking(logits, labels):
        loss = torch.nn.functional.cross_entropy(logits, labels)
        return loss * 2 if loss.item() > 1e9 else loss

    said, settings = [], FineTuning(name="x", epochs=1, batch=20, keep=0.5)
    eager = fine_tune(
        network, data, settings, seed=1, device=CARD, loss=asking, progress=lambda *what: said.append(what[-1])
    )
    assert "without a CUDA graph (" in said[-1]
    assert_same_bits(eager, fine_tune(network, data, settings, seed=1, device=CARD, graph=False))
    assert_same_bits(eager, fine_tune(network, data, settings, seed=1, device=CARD))
