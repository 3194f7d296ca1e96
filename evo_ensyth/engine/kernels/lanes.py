"""The types that kernels add ballots with: one whole number for each of 16 samples.

As with `bits`, LLVM left to vectorise loops moves every intermediate sum through memory, and checks before each of them
whether arrays overlap. A `Lanes` value, of 32-bit numbers, stays in the widest registers of the processor; a `Wide`
value has 64 bits for each sample. With the compiler off they are arrays of 16 numbers, and each intrinsic is replaced
by its Python twin.
"""

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import lower_builtin, models, register_model, type_callable

from evo_ensyth.engine.kernels.bits import intrinsic

LANES = 16  # samples in one value

_SHORT = ir.VectorType(ir.IntType(16), LANES)
_LANES_CODE = ir.VectorType(ir.IntType(32), LANES)
_WIDE_CODE = ir.VectorType(ir.IntType(64), LANES)


class Lanes(types.Type):  # type: ignore[misc]
    """A signed 32-bit number for each of 16 samples; supports ``+`` and ``-``."""


class Wide(types.Type):  # type: ignore[misc]
    """A signed 64-bit number for each of 16 samples; supports ``+``."""


_LANES, _WIDE = Lanes("Lanes"), Wide("Wide")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _LANES_CODE)


@register_model(Wide)
class _WideModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _WIDE_CODE)


def _define(operation: Any, instruction: str, numba_type: Any) -> None:
    def typer(context: Any) -> Any:
        return lambda a, b: numba_type if a == b == numba_type else None

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return getattr(builder, instruction)(*arguments)

    type_callable(operation)(typer)
    lower_builtin(operation, type(numba_type), type(numba_type))(code)


_define(operator.add, "add", _LANES)
_define(operator.sub, "sub", _LANES)
_define(operator.add, "add", _WIDE)


def _address(context: Any, builder: Any, signature: Any, arguments: Any, vector: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.bitcast(builder.gep(array.data, [arguments[1]]), vector.as_pointer())


@intrinsic(lambda ballots, index: ballots[index : index + LANES].astype(np.int32))
def load_ballots(typing_context: Any, ballots: Any, index: Any) -> Any:
    """Read 16 numbers of 16 bits, without a sign, starting at ``ballots[index]``."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = builder.load(_address(context, builder, signature, arguments, _SHORT))
        value.align = 2
        return builder.zext(value, _LANES_CODE)

    return _LANES(ballots, types.int64), code


@intrinsic(lambda sums, index: sums[index : index + LANES].copy())
def load_sums(typing_context: Any, sums: Any, index: Any) -> Any:
    """Read 16 numbers of 32 bits starting at ``sums[index]``."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = builder.load(_address(context, builder, signature, arguments, _LANES_CODE))
        value.align = 4
        return value

    return _LANES(sums, types.int64), code


def _store(array: np.ndarray, index: int, value: np.ndarray) -> None:
    array[index : index + LANES] = value


@intrinsic(_store)
def store_sums(typing_context: Any, sums: Any, index: Any, value: Any) -> Any:
    """Write 16 numbers of 32 bits starting at ``sums[index]``."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = _address(context, builder, signature, arguments, _LANES_CODE)
        builder.store(arguments[2], address).align = 4
        return context.get_dummy_value()

    return types.void(sums, types.int64, _LANES), code


@intrinsic(_store)
def store_wide(typing_context: Any, numbers: Any, index: Any, value: Any) -> Any:
    """Write 16 numbers of 64 bits starting at ``numbers[index]``."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = _address(context, builder, signature, arguments, _WIDE_CODE)
        builder.store(arguments[2], address).align = 8
        return context.get_dummy_value()

    return types.void(numbers, types.int64, _WIDE), code


@intrinsic(lambda: np.zeros(LANES, np.int32))
def no_sums(typing_context: Any) -> Any:
    """Return 16 zeros of 32 bits."""
    return _LANES(), lambda context, builder, signature, arguments: ir.Constant(_LANES_CODE, [0] * LANES)


@intrinsic(lambda: np.zeros(LANES, np.int64))
def no_squares(typing_context: Any) -> Any:
    """Return 16 zeros of 64 bits."""
    return _WIDE(), lambda context, builder, signature, arguments: ir.Constant(_WIDE_CODE, [0] * LANES)


@intrinsic(np.maximum)
def larger(typing_context: Any, a: Any, b: Any) -> Any:
    """Return the larger of two numbers for each sample."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(builder.icmp_signed(">", *arguments), *arguments)

    return _LANES(_LANES, _LANES), code


@intrinsic(lambda a: a.astype(np.int64) ** 2)
def square(typing_context: Any, a: Any) -> Any:
    """Return the square of each number."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = builder.sext(arguments[0], _WIDE_CODE)
        return builder.mul(wide, wide)

    return _WIDE(_LANES), code


@intrinsic(lambda a, b: sum(1 << int(lane) for lane in np.flatnonzero(a > b)))
def above(typing_context: Any, a: Any, b: Any) -> Any:
    """Return a number whose bit i is set if a is larger than b for sample i."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        which = builder.bitcast(builder.icmp_signed(">", *arguments), ir.IntType(LANES))
        return builder.zext(which, ir.IntType(64))

    return types.int64(_LANES, _LANES), code


@intrinsic(lambda a, b: int(np.count_nonzero(a > b)))
def count_above(typing_context: Any, a: Any, b: Any) -> Any:
    """Count the samples for which a is larger than b."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        which = builder.bitcast(builder.icmp_signed(">", *arguments), ir.IntType(LANES))
        return builder.zext(builder.ctpop(which), ir.IntType(64))

    return types.int64(_LANES, _LANES), code
