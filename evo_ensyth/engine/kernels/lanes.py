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
from numba.core import cgutils
from numba.extending import lower_builtin, models, register_model, type_callable

from evo_ensyth.engine.kernels.bits import intrinsic

LANES = 16  # samples in one value

_SHORT = ir.VectorType(ir.IntType(16), LANES)
_LANES_CODE = ir.VectorType(ir.IntType(32), LANES)
_WIDE_CODE = ir.VectorType(ir.IntType(64), LANES)
_REAL_CODE = ir.VectorType(ir.FloatType(), LANES)


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


def define(operation: Any, instruction: str, numba_type: Any) -> None:
    """Let LLVM compute an operation of two values of a type by one of its instructions."""

    def typer(context: Any) -> Any:
        return lambda a, b: numba_type if a == b == numba_type else None

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return getattr(builder, instruction)(*arguments)

    type_callable(operation)(typer)
    lower_builtin(operation, type(numba_type), type(numba_type))(code)


define(operator.add, "add", _LANES)
define(operator.sub, "sub", _LANES)
define(operator.add, "add", _WIDE)


def _all_lanes(builder: Any, value: Any, vector: Any) -> Any:
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), lanes)


def _call(builder: Any, name: str, result: Any, argument: Any) -> Any:
    kind = ir.FunctionType(result, [argument.type])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [argument])


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


@intrinsic(lambda number: np.full(LANES, number, np.int32))
def everywhere(typing_context: Any, number: Any) -> Any:
    """Return the same number 16 times."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _all_lanes(builder, builder.trunc(arguments[0], ir.IntType(32)), _LANES_CODE)

    return _LANES(types.int64), code


@intrinsic(lambda bits, a: np.where(int(bits) >> np.arange(LANES) & 1, a, 0).astype(np.int32))
def where(typing_context: Any, bits: Any, a: Any) -> Any:
    """Return number i where bit i is set, otherwise 0."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits, a = arguments
        chosen = builder.bitcast(bits, ir.VectorType(ir.IntType(1), LANES))
        return builder.select(chosen, a, ir.Constant(_LANES_CODE, [0] * LANES))

    return _LANES(types.uint16, _LANES), code


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


def _margins(truth: np.ndarray, rival: np.ndarray, unanswered: int) -> np.ndarray:
    return np.where((truth == 0) & (rival == 0), unanswered, truth - rival).astype(np.int32)


@intrinsic(_margins)
def margins(typing_context: Any, truth: Any, rival: Any, unanswered: Any) -> Any:
    """Return truth minus rival, or the number ``unanswered`` where both are 0."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        truth, rival, unanswered = arguments
        unanswered = _all_lanes(builder, builder.trunc(unanswered, ir.IntType(32)), _LANES_CODE)
        nothing = builder.icmp_signed("==", builder.or_(truth, rival), ir.Constant(_LANES_CODE, [0] * LANES))
        return builder.select(nothing, unanswered, builder.sub(truth, rival))

    return _LANES(_LANES, _LANES, types.int64), code


@intrinsic(lambda a: int(a.sum()))
def total(typing_context: Any, a: Any) -> Any:
    """Return the sum over the samples, which must fit in 32 bits."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.sext(_call(builder, "llvm.vector.reduce.add.v16i32", ir.IntType(32), *arguments), ir.IntType(64))

    return types.int64(_LANES), code


@intrinsic(lambda a, factor, most: np.rint(np.clip(a.astype(np.float32) * factor, -most, most)).astype(np.int32))
def scaled(typing_context: Any, a: Any, factor: Any, most: Any) -> Any:
    """Return each number times a float32, cut off at plus and minus another, and rounded, halves to even."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        numbers, factor, most = arguments
        product = builder.fmul(builder.sitofp(numbers, _REAL_CODE), _all_lanes(builder, factor, _REAL_CODE))
        highest = _all_lanes(builder, most, _REAL_CODE)
        lowest = _all_lanes(builder, builder.fneg(most), _REAL_CODE)
        product = builder.select(builder.fcmp_ordered("<", product, highest), product, highest)
        product = builder.select(builder.fcmp_ordered(">", product, lowest), product, lowest)
        return builder.fptosi(_call(builder, "llvm.rint.v16f32", _REAL_CODE, product), _LANES_CODE)

    return _LANES(_LANES, types.float32, types.float32), code


def _cosines(truth: np.ndarray, norms: np.ndarray, steps: np.float32) -> np.ndarray:
    length = np.sqrt(np.where(norms == 0, 1, norms).astype(np.float32))
    return np.rint(steps * (truth.astype(np.float32) / length)).astype(np.int32)


@intrinsic(_cosines)
def cosines(typing_context: Any, truth: Any, norms: Any, steps: Any) -> Any:
    """Return truth / sqrt(norm) in steps of a float32, rounded, halves to even; 0 where the norm is 0."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        truth, norms, steps = arguments
        nothing = builder.icmp_signed("==", norms, ir.Constant(_WIDE_CODE, [0] * LANES))
        norms = builder.sitofp(builder.select(nothing, ir.Constant(_WIDE_CODE, [1] * LANES), norms), _REAL_CODE)
        cosine = builder.fdiv(builder.sitofp(truth, _REAL_CODE), _call(builder, "llvm.sqrt.v16f32", _REAL_CODE, norms))
        cosine = builder.fmul(_all_lanes(builder, steps, _REAL_CODE), cosine)
        return builder.fptosi(_call(builder, "llvm.rint.v16f32", _REAL_CODE, cosine), _LANES_CODE)

    return _LANES(_LANES, _WIDE, types.float32), code
