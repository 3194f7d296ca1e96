"""Weights in a file, against the same weights as they are."""

import numpy as np
import onnx_ir as ir
import pytest
from numpy.testing import assert_array_equal

from evo_ensyth.deployment.graph import add_output, finished, new_graph
from evo_ensyth.deployment.stored_weights import Weights
from evo_ensyth.deployment.verify import session_of


def drawn(bits=32, density=1.0, shape=(7, 3, 5)):
    """Weights of a layer, quantised or pruned."""
    rng = np.random.default_rng(bits)
    kept = rng.random(shape) < density
    if bits == 32:
        return Weights(np.where(kept, rng.normal(size=shape), 0).astype(np.float32))
    codes = rng.integers(1 - 2 ** (bits - 1), 2 ** (bits - 1), shape)
    step = rng.integers(1, 2**16, len(codes)).astype(np.float32) / 2**20
    return Weights((codes * kept * step[:, None, None]).astype(np.float32), step, bits)


def written(weights, how, opset=21):
    """The content of a file that gives the weights, and what it gives."""
    tape, given = new_graph(np.dtype(np.float32), (), opset)
    value = tape.op("Add", [weights.add_to(tape, "layer", how), tape.op("ReduceMax", [given], {"keepdims": 0})])
    add_output(tape, "found", value, ir.DataType.FLOAT, weights.values.shape[1:])
    content = ir.to_proto(finished(tape)).SerializeToString()
    return content, session_of(content, "file").run(None, {"input": np.zeros(1, np.float32)})[0]


FORMS = {f"{bits} bits, {density:.0%}": (bits, density) for bits in (32, 8, 5, 4, 3, 2) for density in (1, 0.1)}


@pytest.mark.parametrize(("bits", "density"), [*FORMS.values(), (32, 0), (4, 0)], ids=[*FORMS, "zeros", "zero codes"])
@pytest.mark.parametrize("how", ["packed", "qdq", "plain"])
@pytest.mark.parametrize("opset", [18, 21])
def test_every_form_gives_the_same_weights_bit_for_bit(how, bits, density, opset):
    weights = drawn(bits, density)
    assert_array_equal(written(weights, how, opset)[1].view(np.uint32), weights.values.view(np.uint32))


@pytest.mark.parametrize(
    ("bits", "density", "part"), [(8, 1, 1 / 4), (4, 1, 1 / 8), (2, 1, 1 / 16), (32, 0.1, 0.14), (4, 0.1, 0.05)]
)
def test_packed_weights_take_the_bytes_that_their_form_promises(bits, density, part):
    weights = drawn(bits, density, (100, 20, 20))
    packed, plain = (len(written(weights, how)[0]) for how in ("packed", "plain"))
    assert packed - 2000 < part * plain


def test_weights_that_are_no_multiples_of_their_steps_stay_as_they_are():
    weights = drawn(4)
    other = Weights(weights.values + np.float32(1e-3), weights.step, 4)
    assert other.codes is None
    assert_array_equal(written(other, "packed")[1], other.values)
