"""How a file stores the weights of a layer: small, and unpacked once when the file is loaded.

``plain`` stores float32 numbers. ``packed`` stores a quantised layer as codes, and a pruned layer as a mask of one bit
for each weight followed by the weights that are not zero, whichever takes the fewest bytes. The nodes that unpack them
read constants alone, so a runtime computes their result when it loads the file, and then works with float32 numbers
that are equal to the plain ones bit for bit. ``qdq`` stores a quantised layer for `DequantizeLinear`, which some
accelerators know; other runtimes then unpack the weights again in every call.
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from evo_ensyth.deployment.graph import GraphTape

HOW = ("packed", "plain", "qdq")
FLOAT = ir.DataType.FLOAT


@dataclass(frozen=True)
class Weights:
    """Weights of one layer.

    Attributes
    ----------
    values : float32, (n_outputs, ...)
    step : float32, (n_outputs,), optional
        Of a quantised layer: every weight is a whole multiple of the step of its output.
    bits : int
        Of the multiples of a quantised layer.
    """

    values: np.ndarray
    step: np.ndarray | None = None
    bits: int = 32

    @property
    def codes(self) -> np.ndarray | None:
        """Multiples of the steps, int8, if times the steps they are the weights bit for bit."""
        if self.step is None or self.bits > 8:
            return None
        codes = np.rint(self.values / self._steps).astype(np.int8)
        exact = np.array_equal(codes.astype(np.float32) * self._steps, self.values)
        return codes if exact and (abs(codes) < self.offset).all() else None

    @property
    def offset(self) -> int:
        """What makes the codes positive."""
        return 1 << self.stored_bits - 1

    @property
    def stored_bits(self) -> int:
        """Bits of a code in the file: 2, 4 or 8."""
        return next(bits for bits in (2, 4, 8) if bits >= self.bits)

    @property
    def _steps(self) -> np.ndarray:
        assert self.step is not None
        return self.step.astype(np.float32).reshape(-1, *[1] * (self.values.ndim - 1))

    def add_to(self, tape: GraphTape, name: str, how: str) -> ir.Value:
        """Add the weights to a graph; return their value, float32 of their shape.

        Parameters
        ----------
        tape : GraphTape
        name : str
            Of the layer.
        how : str
            One of `HOW`.
        """
        codes = None if how == "plain" else self.codes
        if how == "qdq" and codes is not None:
            return self._dequantised(tape, name, codes)
        if how == "packed":
            return self._packed(tape, name, codes)
        return tape.constant(self.values, f"{name}.weight")

    def _dequantised(self, tape: GraphTape, name: str, codes: np.ndarray) -> ir.Value:
        assert self.step is not None
        kind = ir.DataType.INT4 if self.stored_bits <= 4 and tape.opset >= 21 else ir.DataType.INT8
        stored = tape.initializer(ir.tensor(codes, dtype=kind, name=f"{name}.codes_{len(tape.graph.initializers)}"))
        step = tape.constant(self.step.astype(np.float32), f"{name}.step")
        return tape.op("DequantizeLinear", [stored, step], {"axis": 0})

    def _packed(self, tape: GraphTape, name: str, codes: np.ndarray | None) -> ir.Value:
        """Take the smallest form: all values or those that are not zero, as numbers or as codes."""
        kept = self.values.view(np.uint32) != 0 if codes is None else codes != 0
        bits = 32 if codes is None else self.stored_bits
        n_mask = -(-kept.size // 8)
        masked = n_mask + -(-int(kept.sum()) * bits // 8) < -(-kept.size * bits // 8) and kept.any()
        content = self.values if codes is None else codes
        stored = content[kept] if masked else content.ravel()
        if codes is None:
            values = tape.constant(stored, f"{name}.weight")
        else:
            values = _unpacked(tape, name, stored, self.stored_bits, self.offset)
        if masked:
            values = _spread(tape, name, values, kept.ravel())
        values = tape.op("Reshape", [values, tape.constant(np.array(self.values.shape))])
        if codes is None:
            return values
        return tape.op("Mul", [values, tape.constant(self._steps, f"{name}.step")])


def _unpacked(tape: GraphTape, name: str, codes: np.ndarray, bits: int, offset: int) -> ir.Value:
    """Codes, int8 (n,), as float32; several in one byte if they have fewer than 8 bits."""
    if bits == 8:
        return tape.op("Cast", [tape.constant(codes, f"{name}.codes")], {"to": FLOAT})
    per_byte = 8 // bits
    positive = np.zeros(-(-len(codes) // per_byte) * per_byte, np.uint8)
    positive[: len(codes)] = codes.astype(np.int16) + offset
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    stored = np.bitwise_or.reduce(positive.reshape(-1, per_byte) << shifts, axis=1)
    fields = _fields(tape, stored, shifts, 2**bits - 1, len(codes), f"{name}.codes")
    floats = tape.op("Cast", [fields], {"to": FLOAT})
    return tape.op("Sub", [floats, tape.constant(np.float32(offset))])


def _spread(tape: GraphTape, name: str, values: ir.Value, kept: np.ndarray) -> ir.Value:
    """Values, (n_kept,), at the places that a mask, bool (n,), keeps, and zeros elsewhere."""
    shifts = np.arange(8, dtype=np.uint8)
    stored = np.packbits(kept, bitorder="little")
    bits = _fields(tape, stored, shifts, 1, len(kept), f"{name}.mask")
    counted = tape.op("CumSum", [tape.op("Cast", [bits], {"to": ir.DataType.INT32}), tape.constant(np.array(0))])
    # Places before the first value have a count of 0; any value will do there.
    place = tape.op("Max", [tape.op("Sub", [counted, tape.constant(np.int32(1))]), tape.constant(np.int32(0))])
    there = tape.op("Cast", [bits], {"to": ir.DataType.BOOL})
    return tape.op("Where", [there, tape.op("Gather", [values, place]), tape.constant(np.float32(0))])


def _fields(tape: GraphTape, stored: np.ndarray, shifts: np.ndarray, largest: int, n: int, name: str) -> ir.Value:
    """The first n fields of bytes, each shifted to its place: uint8, (n,)."""
    rows = tape.constant(stored[:, None], name)
    shifted = tape.op("BitShift", [rows, tape.constant(shifts[None])], {"direction": "RIGHT"})
    fields = tape.op("BitwiseAnd", [shifted, tape.constant(np.uint8(largest))])
    flat = tape.op("Reshape", [fields, tape.constant(np.array([-1]))])
    ends = tape.constant(np.array([0])), tape.constant(np.array([n]))
    return tape.op("Slice", [flat, *ends])
