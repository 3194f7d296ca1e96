"""Labels by onnxruntime-web in a real Chromium, as benchmarks/export.py asks for them."""

import numpy as np
import pytest
from browser import WEB, Browser
from chromium import found_chromium
from onnx import TensorProto, helper

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser():
    command = found_chromium()
    if not WEB.is_dir():
        pytest.skip("onnxruntime-web is not installed: npm install --prefix docs/demo")
    with Browser(command) as browser:
        yield browser


def largest() -> bytes:
    """A file whose label is the position of the largest of three numbers of a sample."""
    nodes = [
        helper.make_node("Cast", ["input"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ArgMax", ["numbers"], ["label"], axis=1, keepdims=0),
    ]
    samples = helper.make_tensor_value_info("input", TensorProto.UINT8, ["n", 3])
    label = helper.make_tensor_value_info("label", TensorProto.INT64, ["n"])
    opset = [helper.make_opsetid("", 21)]
    model = helper.make_model(
        helper.make_graph(nodes, "largest", [samples], [label]), opset_imports=opset, ir_version=10
    )
    return model.SerializeToString()


def test_each_file_gets_its_own_labels_batch_after_batch(browser):
    samples = np.random.default_rng(3).integers(0, 256, (20, 3), dtype=np.uint8)
    batches = [(0, 1), (5, 12), (0, 20)]
    for given in (samples, 255 - samples):
        expected = np.concatenate([given[start:end].argmax(axis=1) for start, end in batches])
        assert browser.labels(largest(), given, batches).tolist() == expected.tolist()


def test_what_the_page_complains_of_ends_the_comparison(browser):
    with pytest.raises(SystemExit, match=r"the page failed: .*protobuf"):
        browser.labels(b"no model", np.zeros((1, 3), np.uint8), [(0, 1)])
