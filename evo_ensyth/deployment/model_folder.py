"""A folder for a hub of models: the file, its card, the members' weights, and a README with a head that hubs read.

::

    model.onnx            the ensemble, which votes
    card.json             what is in it
    weights/NAME.safetensors    weights of the members that this package made, as torch has them
    README.md             YAML between lines of three dashes, then text
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evo_ensyth.errors import one_line
from evo_ensyth.files import folder_written_whole, write_json, write_whole

MODEL = "model.onnx"


def write_model_folder(folder: Path, content: bytes, card: Mapping[str, Any], weights: Mapping[str, bytes]) -> None:
    """Write a new folder, whole or not at all.

    Parameters
    ----------
    folder : Path
    content : bytes
        Of the verified file.
    card : mapping
    weights : mapping of member to content of a safetensors file
    """
    with folder_written_whole(folder) as made:
        write_whole(made / MODEL, content)
        write_json(made / "card.json", card)
        write_whole(made / "README.md", readme(folder.name, card).encode())
        if weights:
            (made / "weights").mkdir()
        for name, stored in weights.items():
            write_whole(made / "weights" / f"{name}.safetensors", stored)


def readme(name: str, card: Mapping[str, Any]) -> str:
    """Text of the README of a model called so."""
    verified, n_members = card["verified_on"], len(card["members"])
    shape, version = ", ".join(map(str, ("n", *verified["shape"][1:]))), card["versions"]["evo_ensyth"]
    vote, classes = _text(card["vote"]["rule"]), _text(", ".join(map(str, card["classes"])))
    lines = [
        f"---\n{head(name, card)}---\n",
        f"# {_text(name)}\n",
        f"An ensemble of {n_members} members that vote ({vote}), in one file that needs nothing but onnxruntime.\n",
        "```python\nimport onnxruntime\n",
        f'session = onnxruntime.InferenceSession("{MODEL}")',
        'label, share = session.run(None, {"input": samples})',
        "```\n",
        f"`samples` are {verified['type']}, ({shape}). `label` is the class of each sample, and `share` what each",
        f"class has of the vote. Classes: {classes}.\n",
        *_errors(card),
        f"It gives the labels of the run on all {verified['shape'][0]:,} samples of the {verified['split']} split.",
        "\nMembers:\n",
        *(f"- {_text(member['name'])}" for member in card["members"]),
        f"\n`card.json` has the weights of the vote, digests and everything else. Made by evo_ensyth {version}.",
    ]
    return "\n".join(lines) + "\n"


def head(name: str, card: Mapping[str, Any]) -> str:
    """YAML that hubs of models read; text in it is quoted as in JSON, which is YAML."""
    verified = card["verified_on"]
    task = "image-classification" if len(verified["shape"]) == 4 else "tabular-classification"
    data = json.dumps(verified["dataset"] or card["problem"], ensure_ascii=False)
    error = card["test_error"] if verified["split"] == "test" else card["search_error"]
    return f"""library_name: onnx
pipeline_tag: {task}
tags:
- ensemble
- evo_ensyth
model-index:
- name: {json.dumps(name, ensure_ascii=False)}
  results:
  - task:
      type: {task}
    dataset:
      type: {data}
      name: {data}
      split: {verified["split"]}
    metrics:
    - type: accuracy
      value: {1 - error:.6g}
"""


def _errors(card: Mapping[str, Any]) -> list[str]:
    found = [f"Error on the search split: {card['search_error']:.2%} of {card['n_search']:,} samples."]
    if card["verified_on"]["split"] == "test":
        low, high = card["test_interval"]
        test = f"Error on the test split: {card['test_error']:.2%} of {card['n_test']:,}"
        found.append(f"{test} (95 % interval: {low:.2%} to {high:.2%}).")
    return found


def _text(value: Any) -> str:
    """Text that Markdown shows as it is."""
    shown = one_line(str(value))
    return "".join(f"\\{character}" if character in "\\`*_{}[]<>#|" else character for character in shown)
