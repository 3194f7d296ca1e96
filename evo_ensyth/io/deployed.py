"""``deployed.json`` of a pool folder: what its layers cost in onnxruntime.

``pool measure`` writes it. It holds the costs of a call, which every ensemble pays once, and those of each layer by its
``chain``; see `evo_ensyth.deployment.costs`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evo_ensyth.errors import InputError
from evo_ensyth.files import fingerprint, read_json, write_json
from evo_ensyth.io.manifest import LARGEST_COST, check_keys, read_manifest

FILE = "deployed.json"
FORMAT = 1
COSTS = ("onnx_bytes", "onnx_ms_1", "onnx_ms_100")
CALL = "call"


def write_deployed(folder: Path, costs: Mapping[str, Mapping[str, float]], about: Mapping[str, Any]) -> None:
    """Write the costs of a call and of each chain, and how they were measured."""
    digest = fingerprint(read_manifest(folder / "pool.json"))
    write_json(folder / FILE, {"format": FORMAT, "pool": digest, "about": about, "costs": costs})


def with_deployed(folder: Path, manifest: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """Layers of each member, with what they cost in onnxruntime if that was measured.

    Then the first layer of every member is the call itself.

    Raises
    ------
    InputError
        The file was changed, or belongs to another pool.
    """
    layers = [member["layers"] for member in manifest["members"]]
    path = folder / FILE
    if not path.exists():
        return layers
    content = read_json(path)
    check_keys(f"{path}:", content, {"format": int, "pool": str, "costs": dict})
    if content["format"] != FORMAT:
        raise InputError(f"{path}: field 'format' is {content['format']}; this version reads {FORMAT}.")
    if content["pool"] != fingerprint(manifest):
        raise InputError(f"{path} was measured for another pool; remove it, or measure again with 'pool measure'.")
    costs = content["costs"]
    for chain in (CALL, *(layer["chain"] for stack in layers for layer in stack)):
        check_keys(f"{path}: costs:", costs, {chain: dict})
        for cost in COSTS:
            value = costs[chain].get(cost)
            if type(value) not in (int, float) or not 0 <= value < LARGEST_COST:
                raise InputError(f"{path}: costs: {chain}: field '{cost}' is {value}; expected a number of at least 0.")
    return [[_call(stack, costs), *(_priced(layer, costs[layer["chain"]]) for layer in stack)] for stack in layers]


def _call(stack: Sequence[Mapping[str, Any]], costs: Mapping[str, Any]) -> dict[str, Any]:
    nothing = {cost: type(value)(0) for cost, value in stack[0]["costs"].items()} if stack else {}
    return _priced({"name": CALL, "chain": CALL, "costs": nothing}, costs[CALL])


def _priced(layer: Mapping[str, Any], costs: Mapping[str, float]) -> dict[str, Any]:
    return {**layer, "costs": {**layer["costs"], **{cost: costs[cost] for cost in COSTS}}}
