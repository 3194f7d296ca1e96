"""Members that this package did not make: files, modules, estimators."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from numpy.testing import assert_array_equal
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

import evo_ensyth as ee
from evo_ensyth.deployment.verify import session_of
from evo_ensyth.errors import InputError

CLASSES = np.array(["cat", "dog", "it's <a>/b"])


def samples(n, seed, n_classes=3):
    """Overlapping clouds in four dimensions, and the class of each sample."""
    rng = np.random.default_rng(seed)
    places = rng.integers(0, n_classes, n)
    return rng.normal(size=(n, 4)) + np.eye(n_classes, 4)[places] * 1.5, places


def of_estimators(models, vote, dtype=np.float64, classes=CLASSES):
    """A run on a pool of estimators whose only ensemble is everybody, its pool, and the test samples."""
    fitted_to, search, test = (samples(n, seed, len(classes)) for n, seed in ((200, 0), (150, 1), (300, 2)))
    known = {name: model.fit(fitted_to[0].astype(dtype), classes[fitted_to[1]]) for name, model in models.items()}
    splits = [(inputs.astype(dtype), classes[places]) for inputs, places in (search, test)]
    pool = ee.Pool.from_estimators(known, *splits[0], test=splits[1])
    return ee.search(pool, ["error"], selector="whole_pool", baselines=(), vote=vote, n_folds=0), pool, splits[1][0]


LABELS = {"knn": KNeighborsClassifier(), "svc": SVC(), "ridge": RidgeClassifier()}
SCORES = {"knn": KNeighborsClassifier(), "forest": RandomForestClassifier(10, random_state=0)}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("models", "vote"), [(LABELS, "plurality"), (SCORES, "soft"), (SCORES, "log_odds")])
def test_estimators_vote_with_labels_of_text(models, vote, dtype, tmp_path):
    run, pool, inputs = of_estimators(models, vote, dtype)
    found = ee.export(run, tmp_path / "model.onnx", pool=pool, members=models, inputs=inputs)
    assert (found.n_samples, found.n_differing, found.card["classes"]) == (300, 0, CLASSES.tolist())
    label, _ = session_of((tmp_path / "model.onnx").read_bytes(), "model").run(None, {"input": inputs})
    assert set(label) == set(CLASSES)
    assert ee.verify(tmp_path / "model.onnx", inputs).n_differing == 0


def test_classes_of_whole_numbers_keep_their_names(tmp_path):
    run, pool, inputs = of_estimators(SCORES, "soft", classes=np.array([2, 3, 5]))
    ee.export(run, tmp_path / "model.onnx", pool=pool, members=SCORES, inputs=inputs)
    label, _ = session_of((tmp_path / "model.onnx").read_bytes(), "model").run(None, {"input": inputs})
    assert_array_equal(label, run.recommended.predict(np.array(pool.test.scores.members)))
    assert set(label) == {2, 3, 5}


@pytest.fixture
def linear(tmp_path) -> Callable[..., str]:
    """Write a linear model as a file; gives its path."""

    def linear(weights, name="linear", *, opset=21, batch="n", operators=(), kind=TensorProto.FLOAT, domain=""):
        values = numpy_helper.from_array(weights.astype(np.float32), "w")
        nodes = [
            helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
            helper.make_node("MatMul", ["f", "w"], ["0"]),
        ]
        nodes += [helper.make_node(kind, [str(i)], [str(i + 1)]) for i, kind in enumerate(operators)]
        given = helper.make_tensor_value_info("x", kind, [batch, 4])
        gives = helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, [batch, weights.shape[1]])
        graph = helper.make_graph(nodes, "linear", [given], [gives], [values])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        onnx.save(model, tmp_path / f"{name}.onnx")
        return str(tmp_path / f"{name}.onnx")

    return linear


def of_files(files, inputs, n_classes=3):
    """A run on what files answer, and its pool."""
    rng = np.random.default_rng(0)
    scores = {}
    for name, file in files.items():
        given = onnx.load(file).graph.input[0].name
        (logits,) = session_of(Path(file).read_bytes(), name).run(None, {given: inputs})
        if logits.shape[1] == 1:
            logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores[name] = shares / shares.sum(axis=1, keepdims=True)
    pool = ee.Pool.from_predictions(scores, rng.integers(0, n_classes, len(inputs)), name="files")
    return ee.search(pool, ["error"], selector="whole_pool", baselines=(), vote="soft", n_folds=0), pool


def test_files_vote_and_are_stored_once_where_they_agree(linear, tmp_path):
    rng, inputs = np.random.default_rng(3), samples(90, 4)[0].astype(np.float32)
    shared = rng.normal(size=(4, 3))
    files = {
        "a": linear(shared, "a"),
        "b": linear(shared, "b", operators=["Relu"]),
        "c": linear(rng.normal(size=(4, 3)), "c"),
    }
    run, pool = of_files(files, inputs)
    found = ee.export(run, tmp_path / "all.onnx", pool=pool, members=files, inputs=inputs)
    assert (found.n_samples, found.n_differing) == (90, 0)
    operators = [node.op_type for node in onnx.load(tmp_path / "all.onnx").graph.node]
    assert operators.count("MatMul") == 2


def test_weights_beside_a_file_are_read_and_those_elsewhere_refused(linear, tmp_path):
    rng, inputs = np.random.default_rng(3), samples(90, 4)[0].astype(np.float32)
    whole = linear(rng.normal(size=(4, 3)), "a")
    (tmp_path / "members").mkdir()
    beside = tmp_path / "members" / "a.onnx"
    # As torch writes files, whatever their size.
    onnx.save(onnx.load(whole), beside, save_as_external_data=True, location="a.onnx.data", size_threshold=0)
    run, pool = of_files({"a": whole}, inputs)
    for name, file in {"whole": whole, "beside": beside}.items():
        ee.export(run, tmp_path / f"{name}.model.onnx", pool=pool, members={"a": file}, inputs=inputs)
    assert (tmp_path / "beside.model.onnx").read_bytes() == (tmp_path / "whole.model.onnx").read_bytes()
    model = onnx.load(beside, load_external_data=False)
    model.graph.initializer[0].external_data[0].value = "../a.onnx.data"
    beside.write_bytes(model.SerializeToString())
    shutil.move(tmp_path / "members" / "a.onnx.data", tmp_path)
    with pytest.raises(InputError, match=r"member 'a': .*a\.onnx is no valid ONNX file: .*a\.onnx\.data"):
        ee.export(run, tmp_path / "elsewhere.onnx", pool=pool, members={"a": beside}, inputs=inputs)


def test_one_column_is_the_logit_of_the_second_of_two_classes(linear, tmp_path):
    rng, inputs = np.random.default_rng(3), samples(90, 4)[0].astype(np.float32)
    files = {"a": linear(rng.normal(size=(4, 1)), "a"), "b": linear(rng.normal(size=(4, 2)), "b")}
    run, pool = of_files(files, inputs, n_classes=2)
    assert ee.export(run, tmp_path / "all.onnx", pool=pool, members=files, inputs=inputs).n_differing == 0


@pytest.mark.parametrize(
    ("how", "width", "message"),
    [
        ({}, 7, "member 'b' gives 7 scores for each sample; there are 3 classes"),
        ({"opset": 20}, 3, r"member 'b' has opset 20, whose Cast differs from that of 21; .* or give --opset 20"),
        ({"batch": 90}, 3, "member 'b' takes batches of 90 only; export it with a dynamic first dimension"),
        ({"kind": TensorProto.INT32}, 3, "member 'b' takes int32; the samples are float32"),
    ],
)
def test_files_that_do_not_fit_are_named(how, width, message, linear, tmp_path):
    rng, inputs = np.random.default_rng(3), samples(90, 4)[0].astype(np.float32)
    good = {name: linear(rng.normal(size=(4, 3)), name) for name in ("a", "b")}
    run, pool = of_files(good, inputs)
    files = {"a": good["a"], "b": linear(rng.normal(size=(4, width)), "b", **how)}
    with pytest.raises(InputError, match=message):
        ee.export(run, tmp_path / "all.onnx", pool=pool, members=files, inputs=inputs)
    assert not (tmp_path / "all.onnx").exists()


def test_what_is_no_model_is_said(linear, tmp_path):
    inputs = samples(90, 4)[0].astype(np.float32)
    files = {"a": linear(np.eye(4, 3), "a")}
    run, pool = of_files(files, inputs)
    (tmp_path / "text.onnx").write_text("no model")
    wrong = {"none.onnx": "does not exist", tmp_path / "text.onnx": "is no valid ONNX file", 7: "is a int; expected an"}
    for given, message in wrong.items():
        with pytest.raises(InputError, match=f"member 'a'.* {message}"):
            ee.export(run, tmp_path / "all.onnx", pool=pool, members={"a": given}, inputs=inputs)


def test_files_are_given_on_the_command_line_one_by_one_or_as_a_folder(call, linear, tmp_path):
    inputs = samples(90, 4)[0].astype(np.float32)
    rng = np.random.default_rng(1)
    files = {name: linear(rng.normal(size=(4, 3)), name) for name in ("a", "b")}
    ee.write_predictions(tmp_path / "files.npz", of_files(files, inputs)[1])
    pool = ee.load(tmp_path / "files.npz")
    run = ee.search(pool, ["error"], selector="whole_pool", baselines=(), n_folds=0)
    run.save(tmp_path / "run")
    np.save(tmp_path / "inputs.npy", inputs)
    command = ["export", "run", "--pool", "files.npz", "--inputs", "inputs.npy", "--json"]
    said = call(*command, "-o", "one.onnx", "--member", f"a={files['a']}", "--member", f"b={files['b']}")
    assert (said.status, said.json["n_differing"]) == (0, 0)
    (tmp_path / "members").mkdir()
    for file in files.values():
        onnx.save(onnx.load(file), file.replace(str(tmp_path), str(tmp_path / "members")))
    assert call(*command, "-o", "two.onnx", "--member", "members").status == 0
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()
    assert "names no member; write NAME=FILE.onnx" in call(*command, "-o", "x.onnx", "--member", "b").err
    assert "'b' is not stored" in call(*command, "-o", "x.onnx", "--member", f"a={files['a']}").err


def test_modules_go_through_the_exporter_of_torch(tmp_path):
    torch.manual_seed(0)
    inputs = samples(90, 4)[0].astype(np.float32)
    modules = {
        "wide": torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.GELU(), torch.nn.Linear(8, 3)
        )
    }
    batches = [(torch.tensor(inputs), torch.zeros(90, dtype=torch.long))]
    pool = ee.Pool.from_modules(modules, batches)
    run = ee.search(pool, ["error"], selector="whole_pool", baselines=(), n_folds=0)
    modules["wide"].train()
    found = ee.export(run, tmp_path / "all.onnx", pool=pool, members=modules, inputs=inputs)
    assert (found.n_samples, found.n_differing) == (90, 0)
    assert modules["wide"].training
    assert b"torch" not in (tmp_path / "all.onnx").read_bytes()


def test_strange_layers_of_stored_networks_go_through_the_exporter_of_torch(stored, run_of, tmp_path, monkeypatch):
    from evo_ensyth.deployment import stored_member
    from evo_ensyth.deployment.network_graph import UnknownLayerError

    asked = []

    def unknown(*arguments, **named):
        raise UnknownLayerError

    def exported(name, module, wanted):
        asked.append(tuple(module(torch.tensor(wanted.inputs[:2])).shape))
        return ir.load(by_hand)

    by_hand = tmp_path / "by_hand.onnx"
    probability = helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n", 10])
    given = helper.make_tensor_value_info("x", TensorProto.UINT8, ["n", 1, 8, 8])
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["f"], ["flat"]),
        helper.make_node("Slice", ["flat", "start", "end", "one"], ["cut"]),
        helper.make_node("Softmax", ["cut"], ["p"]),
    ]
    numbers = [
        helper.make_tensor(name, TensorProto.INT64, [1], [value])
        for name, value in (("start", 0), ("end", 10), ("one", 1))
    ]
    opset = [helper.make_opsetid("", 21)]
    onnx.save(
        helper.make_model(
            helper.make_graph(nodes, "g", [given], [probability], numbers), opset_imports=opset, ir_version=10
        ),
        by_hand,
    )
    monkeypatch.setattr(stored_member, "add_network", unknown)
    monkeypatch.setattr(stored_member, "of_module", exported)
    ee.export(run_of([0]), tmp_path / "model.onnx", pool=stored.pool, allow_different=500)
    assert asked == [(2, 10)]
