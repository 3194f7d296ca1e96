"""The type that proofs keep margins in: one signed number of 8 bits for each of 64 samples.

As with `bits`, a value stays in the widest registers of the processor. With the compiler off it is an array of 64
numbers, and each intrinsic is replaced by its Python twin.
"""

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import models, register_model

from evo_ensyth.engine.kernels.bits import intrinsic
from evo_ensyth.engine.kernels.lanes import define

BYTES = 64  # samples in one value

_VECTOR = ir.VectorType(ir.IntType(8), BYTES)


class Bytes(types.Type):  # type: ignore[misc]
    """A signed 8-bit number for each of 64 samples; supports ``+`` and ``-``, which wrap around."""


_BYTES = Bytes("Bytes")


@register_model(Bytes)
class _BytesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _VECTOR)


define(operator.add, "add", _BYTES)
define(operator.sub, "sub", _BYTES)


def _address(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.bitcast(builder.gep(array.data, [arguments[1]]), _VECTOR.as_pointer())


@intrinsic(lambda numbers, index: numbers[index : index + BYTES].copy())
def load_bytes(typing_context: Any, numbers: Any, index: Any) -> Any:
    """Read 64 numbers of 8 bits starting at ``numbers[index]``."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = builder.load(_address(context, builder, signature, arguments))
        value.align = 1
        return value

    return _BYTES(numbers, types.int64), code


def _store(numbers: np.ndarray, index: int, value: np.ndarray) -> None:
    numbers[index : index + BYTES] = value


@intrinsic(_store)
def store_bytes(typing_context: Any, numbers: Any, index: Any, value: Any) -> Any:
    """Write 64 numbers of 8 bits starting at ``numbers[index]``."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _address(context, builder, signature, arguments)).align = 1
        return context.get_dummy_value()

    return types.void(numbers, types.int64, _BYTES), code


@intrinsic(lambda value: np.packbits(value < 0, bitorder="little").view(np.uint64)[0])
def below_zero(typing_context: Any, value: Any) -> Any:
    """Return a word of 64 bits in which bit i is set if number i is below 0."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        negative = builder.icmp_signed("<", arguments[0], ir.Constant(_VECTOR, [0] * BYTES))
        return builder.bitcast(negative, ir.IntType(64))

    return types.uint64(_BYTES), code
