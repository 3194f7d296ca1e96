"""The commands about ensembles that run elsewhere: ``export`` and ``verify``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from evo_ensyth.cli.options import AtMostCosts, Json, Knee, Quiet, Size, Trust, WithinOneStandardError, pick_rule
from evo_ensyth.errors import InputError

Inputs = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.npy",
        help="What the members see of all test samples, in order. [default: the data set that the pool was built for]",
    ),
]
DIFFER = 1


def export(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE.onnx | FOLDER", help="A new file, or a new folder.")
    ],
    to: Annotated[
        str,
        typer.Option(metavar="onnx | folder", help="One file; or a folder with its card, weights and a README too."),
    ] = "onnx",
    size: Size = None,
    at_most: AtMostCosts = None,
    knee: Knee = False,
    within_one_standard_error: WithinOneStandardError = False,
    pool: Annotated[
        str | None,
        typer.Option(metavar="POOL", help="What the run searched: a pool folder, a problem, a file of predictions."),
    ] = None,
    member: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE.onnx", help="A member that this package did not make, or a folder of them; repeatable."
        ),
    ] = None,
    inputs: Inputs = None,
    weights: Annotated[
        str, typer.Option(metavar="FORM", help="packed: small; plain: float32; qdq: for accelerators that know it.")
    ] = "packed",
    opset: Annotated[int, typer.Option(help="Version of the ONNX operators.")] = 21,
    allow_different: Annotated[
        int, typer.Option(min=0, metavar="N", help="Labels that may differ from those of the run.")
    ] = 0,
    trust: Trust = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write the recommended ensemble of a run, or another one, as one ONNX file that votes."""
    from evo_ensyth.deployment.export import export as write

    rule = pick_rule(size, at_most, knee, within_one_standard_error)
    found = write(
        folder,
        out,
        to=to,
        **rule,
        pool=pool,
        members=_members(member or []),
        inputs=inputs,
        weights=weights,
        opset=opset,
        allow_different=allow_different,
        trust=trust,
    )
    if as_json:
        print(json.dumps(found.to_dict(), allow_nan=False))
    else:
        print(found.file if quiet else found)


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="A file that 'export' wrote.")],
    inputs: Inputs = None,
    provider: Annotated[
        str, typer.Option(metavar="NAME", help="Where onnxruntime computes, such as CUDAExecutionProvider.")
    ] = "CPUExecutionProvider",
    as_json: Json = False,
) -> None:
    """Run an exported ensemble on every test sample in the runtime that is installed here."""
    from evo_ensyth.deployment.verify import verify as run

    found = run(file, inputs, provider=provider)
    print(json.dumps(found.to_dict(), allow_nan=False) if as_json else found)
    if found.n_differing:
        raise typer.Exit(DIFFER)


def _members(texts: list[str]) -> dict[str, Path]:
    """Files of members by name, from ``NAME=FILE`` and folders of ``NAME.onnx``."""
    found: dict[str, Path] = {}
    for text in texts:
        name, separator, file = text.partition("=")
        if not separator and Path(text).is_dir():
            found |= {path.stem: path for path in sorted(Path(text).glob("*.onnx"))}
        elif name and file:
            found[name] = Path(file)
        else:
            raise InputError(f"'{text}' names no member; write NAME=FILE.onnx, or a folder of such files.")
    return found
