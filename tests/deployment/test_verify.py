"""``verify`` and the command line: what a file does in the runtime that is installed."""

import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest

import evo_ensyth as ee
from evo_ensyth.deployment.card import KEY
from evo_ensyth.deployment.model_folder import readme
from evo_ensyth.deployment.timing import timings
from evo_ensyth.errors import InputError
from evo_ensyth.files import sealed, sha256, unsealed
from evo_ensyth.synthesis import datasets


@pytest.fixture
def file(stored, tmp_path) -> Path:
    ee.export(stored.run, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def changed(file, *, seal=sealed, **changes) -> Path:
    """The file with another card, sealed again as somebody who means harm would."""
    model = onnx.load(file)
    told = {entry.key: entry.value for entry in model.metadata_props}
    card = unsealed("card", json.loads(told[KEY]))
    card["verified_on"] |= changes
    onnx.helper.set_model_props(model, told | {KEY: json.dumps(seal(card))})
    onnx.save(model, file)
    return file


def test_the_commands_say_what_python_finds(call, stored, tmp_path):
    said = call("export", stored.run, "-o", "model.onnx", "--json")
    assert (said.status, said.json["n_differing"], said.json["n_samples"]) == (0, 0, 500)
    assert (tmp_path / "model.onnx").stat().st_size == said.json["n_bytes"]
    assert set(said.json["latency_ms"]) == {"1", "100"}
    assert all(0 < each["low"] <= each["median"] <= each["high"] for each in said.json["latency_ms"].values())
    again = call("verify", "model.onnx")
    assert again.status == 0
    assert again.out.startswith(f"model.onnx: 0 of 500 labels differ; {said.json['n_bytes']:,} bytes; ")
    assert call("export", stored.run, "-o", "other.onnx", "--quiet", "--size", 1).out == "other.onnx\n"
    refused = call("export", stored.run, "-o", "model.onnx")
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert "model.onnx is there already" in refused.err


def test_a_folder_has_all_that_a_hub_reads(call, stored, tmp_path):
    import yaml

    said = call("export", stored.run, "--to", "folder", "-o", "model", "--size", 2, "--json")
    assert said.status == 0, said.err
    folder, card = tmp_path / "model", json.loads((tmp_path / "model" / "card.json").read_text())
    names = [member["name"] for member in card["members"]]
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == sorted(
        ["README.md", "card.json", "model.onnx", *(f"weights/{name}.safetensors" for name in names)]
    )
    assert card == said.json["card"] == ee.verify(folder / "model.onnx").card
    for member in card["members"]:
        assert sha256((folder / "weights" / f"{member['name']}.safetensors").read_bytes()) == member["sha256"]
    _, head, text = (folder / "README.md").read_text().split("---\n", 2)
    (index,) = yaml.safe_load(head)["model-index"]
    (result,) = index["results"]
    assert (index["name"], result["dataset"]["name"], result["dataset"]["split"]) == ("model", "digits", "test")
    assert result["metrics"] == [{"type": "accuracy", "value": pytest.approx(1 - card["test_error"])}]
    assert all(name in text for name in names)
    assert "model exists already" in call("export", stored.run, "--to", "folder", "-o", "model").err
    assert "no form called 'zip'" in call("export", stored.run, "--to", "zip", "-o", "other").err


def test_names_in_a_readme_cannot_be_more_than_text():
    card = {"members": [{"name": "<script>`*"}], "classes": ["a|b", "[x](y)\n# c"], "search_error": 0.5, "n_search": 2}
    card |= {"vote": {"rule": "soft"}, "versions": {"evo_ensyth": "1"}, "problem": 'it\'s "quoted": #1\n- a'}
    card["verified_on"] = {"split": "search", "dataset": None, "type": "float32", "shape": [2, 4]}
    text = readme("a: b", card)
    assert "- \\<script\\>\\`\\*\n" in text
    assert "a\\|b, \\[x\\](y) \\# c." in text
    assert json.dumps(card["problem"]) in text


def test_the_line_of_the_readme_runs_with_the_file_alone(stored, tmp_path, capsys, monkeypatch):
    page = (Path(__file__).parents[2] / "README.md").read_text()
    (code,) = re.findall(r'python -c "(.*?)"', page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    ee.export(stored.run, "digits.onnx")
    exec(code.replace("\\\n", ""), {})  # noqa: S102
    assert re.match(r"\[array\(\[\d\]", capsys.readouterr().out)


def test_labels_that_differ_end_the_command_with_1(call, file):
    images = datasets.load("digits").test.images
    expected = ee.verify(file).card["verified_on"]["expected"]
    model = onnx.load(file)
    (last,) = [node for node in model.graph.node if "label" in node.output]
    next(attribute for attribute in last.attribute if attribute.name == "select_last_index").i = 1
    flip = onnx.helper.make_node("Neg", [last.input[0]], ["flipped"])
    last.input[0] = "flipped"
    model.graph.node.insert(list(model.graph.node).index(last), flip)
    onnx.save(model, file)
    said = call("verify", file, "--json")
    assert (said.status, said.json["n_samples"]) == (1, len(images))
    assert said.json["n_differing"] > 400
    assert said.json["card"]["verified_on"]["expected"] == expected
    assert len(said.json["differing"]) == 10


def test_samples_are_taken_from_a_file_or_an_array(file, tmp_path):
    images = datasets.load("digits").test.images
    np.save(tmp_path / "images.npy", images)
    assert ee.verify(file, tmp_path / "images.npy").n_differing == ee.verify(file, images).n_differing == 0
    with pytest.raises(InputError, match=r"was verified on other samples: uint8 \(500, 1, 8, 8\)"):
        ee.verify(file, images[::-1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": None}, "does not name a data set; give the samples of the test split"),
        ({"dataset": "os.path"}, "does not name a data set; give the samples of the test split"),
        ({"expected": "?"}, "the card does not hold the expected labels"),
        ({"sha256": "0" * 64}, "was verified on other samples"),
    ],
)
def test_a_card_that_was_changed_is_refused(changes, message, file):
    with pytest.raises(InputError, match=message):
        ee.verify(changed(file, **changes))


def test_a_card_without_its_seal_is_refused(file):
    with pytest.raises(InputError, match=r"the card: field 'sha256' does not fit the rest"):
        ee.verify(changed(file, seal=dict, split="search"))


def test_metadata_that_are_no_text_are_refused(file):
    content = file.read_bytes()
    file.write_bytes(content.replace(b'"problem"', b'"prob\xffem"'))
    with pytest.raises(InputError, match="the metadata are no text in UTF-8"):
        ee.verify(file)


def test_a_file_that_computes_no_labels_is_refused(file):
    model = onnx.load(file)
    for output in model.graph.output:
        output.name = output.name.replace("label", "name")
    for node in model.graph.node:
        node.output[:] = ["name" if name == "label" else name for name in node.output]
    onnx.save(model, file)
    with pytest.raises(InputError, match=r"cannot be run by onnxruntime .*label"):
        ee.verify(file)


def test_weights_in_another_file_are_never_read(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    onnx.save(onnx.load(file), "other.onnx", save_as_external_data=True, location="secret.bin", size_threshold=2_000)
    assert (tmp_path / "secret.bin").stat().st_size > 100
    with pytest.raises(InputError, match=r"other\.onnx cannot be loaded by onnxruntime"):
        ee.verify("other.onnx")


def test_other_files_are_refused(file, tmp_path):
    with pytest.raises(InputError, match=r"none\.onnx does not exist"):
        ee.verify(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(InputError, match=r"text\.onnx cannot be loaded by onnxruntime"):
        ee.verify(tmp_path / "text.onnx")
    with pytest.raises(InputError, match="has no provider 'Abacus' here; it has"):
        ee.verify(file, provider="Abacus")
    model = onnx.load(file)
    onnx.helper.set_model_props(model, {})
    onnx.save(model, file)
    with pytest.raises(InputError, match="has no card of evo_ensyth"):
        ee.verify(file)


def test_calls_are_timed_in_turns():
    order, now = [], [0.0]

    def call(name, seconds):
        order.append(name)
        now[0] += seconds

    found = timings({"a": lambda: call("a", 0.25), "b": lambda: call("b", 0.5)}, rounds=21, clock=lambda: now[0])
    assert (found["a"].median, found["a"].low, found["b"].high) == (250, 250, 500)
    assert order[-42:] == ["a", "b"] * 21
