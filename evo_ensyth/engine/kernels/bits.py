"""The type that kernels compute with: one bit for each of 512 samples.

numba has no such type, and if LLVM is left to vectorise loops over words, it moves every intermediate counter through
memory. A `Bits` value stays in the widest registers of the processor. With the compiler off it is an array of eight
words, and each intrinsic is replaced by its Python twin.
"""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, extending, types
from numba.core import cgutils
from numba.extending import lower_builtin, models, register_model, type_callable

from evo_ensyth.engine.kernels.compiler import compiled, leaf

WORDS = 8  # of 64 samples each, in one `Bits`
UNIT = 64 * WORDS


def intrinsic(twin: Callable[..., Any]) -> Callable[[Callable[..., Any]], Any]:
    """Turn a function into a numba intrinsic, or into its Python twin if the compiler is off."""
    return lambda function: twin if config.DISABLE_JIT else extending.intrinsic(function)


@intrinsic(lambda word: np.uint64(np.bitwise_count(word)))
def bits_set(typing_context: Any, word: Any) -> Any:
    """Count the bits that are set in a uint64."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), code


_VECTOR = ir.VectorType(ir.IntType(64), WORDS)
READ, SECOND_CACHE, DATA = 0, 2, 1  # arguments of LLVM's prefetch


class Bits(types.Type):  # type: ignore[misc]
    """One bit for each of 512 samples; supports ``&``, ``|``, ``^`` and ``~``."""


_BITS = Bits("Bits")


@register_model(Bits)
class _BitsModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _VECTOR)


def _define(operation: Callable[..., Any], instruction: str, n_operands: int) -> None:
    def typer(context: Any) -> Any:
        if n_operands == 1:
            return lambda a: _BITS if a == _BITS else None
        return lambda a, b: _BITS if a == b == _BITS else None

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return getattr(builder, instruction)(*arguments)

    type_callable(operation)(typer)
    lower_builtin(operation, *[Bits] * n_operands)(code)


_define(operator.and_, "and_", 2)
_define(operator.or_, "or_", 2)
_define(operator.xor, "xor", 2)
_define(operator.invert, "not_", 1)


def _address(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.bitcast(builder.gep(array.data, [arguments[1]]), _VECTOR.as_pointer())


@intrinsic(lambda words, index: words[index : index + WORDS].copy())
def load(typing_context: Any, words: Any, index: Any) -> Any:
    """Read eight words starting at ``words[index]``."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = builder.load(_address(context, builder, signature, arguments))
        value.align = 8
        return value

    return _BITS(words, types.int64), code


def _store(words: np.ndarray, index: int, value: np.ndarray) -> None:
    words[index : index + WORDS] = value


@intrinsic(_store)
def store(typing_context: Any, words: Any, index: Any, value: Any) -> Any:
    """Write eight words starting at ``words[index]``."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _address(context, builder, signature, arguments)).align = 8
        return context.get_dummy_value()

    return types.void(words, types.int64, _BITS), code


@intrinsic(lambda words, index: None)
def fetch_plane(typing_context: Any, words: Any, index: Any) -> Any:
    """Prefetch eight words starting at ``words[index]`` into the second-level cache, without waiting for them."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, choice = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, choice, choice, choice])
        instruction = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        address = builder.bitcast(_address(context, builder, signature, arguments), byte)
        builder.call(instruction, [address, choice(READ), choice(SECOND_CACHE), choice(DATA)])
        return context.get_dummy_value()

    return types.void(words, types.int64), code


@intrinsic(lambda: np.zeros(WORDS, np.uint64))
def zero(typing_context: Any) -> Any:
    """Return a value with no bits set."""
    return _BITS(), lambda context, builder, signature, arguments: ir.Constant(_VECTOR, [0] * WORDS)


@intrinsic(lambda samples: int(np.bitwise_count(samples).sum()))
def popcount(typing_context: Any, samples: Any) -> Any:
    """Count the bits that are set."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        each = ir.FunctionType(_VECTOR, [_VECTOR])
        both = ir.FunctionType(ir.IntType(64), [_VECTOR])
        ones = cgutils.get_or_insert_function(builder.module, each, f"llvm.ctpop.v{WORDS}i64")
        total = cgutils.get_or_insert_function(builder.module, both, f"llvm.vector.reduce.add.v{WORDS}i64")
        return builder.call(total, [builder.call(ones, arguments)])

    return types.int64(_BITS), code


@intrinsic(lambda sums, samples, weight: sums + np.bitwise_count(samples) * np.int64(weight).astype(np.uint64))
def add_weighted(typing_context: Any, sums: Any, samples: Any, weight: Any) -> Any:
    """Add the bits set in each word of ``samples``, times a weight of 32 bits, to eight sums of 64 bits.

    Adding the eight up by `total` once for many calls takes less time than a `popcount` for each.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums, samples, weight = arguments
        each = ir.FunctionType(_VECTOR, [_VECTOR])
        ones = builder.call(cgutils.get_or_insert_function(builder.module, each, f"llvm.ctpop.v{WORDS}i64"), [samples])
        short = builder.sext(builder.trunc(weight, ir.IntType(32)), ir.IntType(64))  # multiplied faster than 64 bits
        first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), short, ir.Constant(ir.IntType(32), 0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), WORDS), [0] * WORDS)
        weights = builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), everywhere)
        return builder.add(sums, builder.mul(ones, weights))

    return _BITS(_BITS, _BITS, types.int64), code


@intrinsic(lambda sums: int(sums.view(np.int64).sum()))
def total(typing_context: Any, sums: Any) -> Any:
    """Add eight sums of 64 bits up."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        both = ir.FunctionType(ir.IntType(64), [_VECTOR])
        added = cgutils.get_or_insert_function(builder.module, both, f"llvm.vector.reduce.add.v{WORDS}i64")
        return builder.call(added, arguments)

    return types.int64(_BITS), code


@compiled
def room(n):
    """Allocate ``n`` `Bits` starting on a cache line: a read across two lines costs twice as much."""
    words = np.empty((n + 1) * WORDS, np.uint64)
    start = (-(words.ctypes.data // 8)) % WORDS
    return words[start : start + n * WORDS]


@leaf
def largest_step(numbers):
    """Largest difference from one number to the next, at least 0; numba takes seconds to compile `np.diff`."""
    largest = 0
    for i in range(1, numbers.size):
        largest = max(largest, numbers[i] - numbers[i - 1])
    return largest


@leaf
def smallest_step(numbers):
    """Smallest difference from one number to the next, of two at least."""
    smallest = numbers[1] - numbers[0]
    for i in range(2, numbers.size):
        smallest = min(smallest, numbers[i] - numbers[i - 1])
    return smallest
