"""A step of training as a CUDA graph: its kernels are launched together, which small batches gain the most from."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from evo_ensyth.synthesis.trees import Tree, leaves, mapped, shapes

WARM_UPS = 3  # steps before the capture, in which libraries choose their kernels and allocate what they keep


class CapturedStep:
    """A step on static copies of its inputs, captured once and replayed for every batch of the same size.

    Parameters
    ----------
    step : callable
        Trains on inputs and labels of one batch, on the current card, and returns the loss.
    network : Module
    optimiser : Optimizer
        Keeps its learning rate as a tensor on the card, and begins with a state of zeros. Capturing leaves network and
        optimiser as they were.
    inputs : tree of tensors
    labels : tensor
        With ``inputs`` a batch, whose shapes are those of all to come.

    Attributes
    ----------
    failure : str, optional
        Why the step cannot be captured. It is then to be called as it is.
    """

    def __init__(
        self,
        step: Callable[[Tree, torch.Tensor], torch.Tensor],
        network: nn.Module,
        optimiser: torch.optim.Optimizer,
        inputs: Tree,
        labels: torch.Tensor,
    ) -> None:
        self.failure: str | None = None
        self._inputs, self._labels = mapped(torch.clone, inputs), labels.clone()
        self._graph = torch.cuda.CUDAGraph()
        restore = _remembered(network, optimiser)
        try:
            self._capture(step)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self.failure = str(error).partition("\n")[0]
            # A capture that has failed leaves the generator waiting for its end; a copy of its state does not wait.
            generator = torch.cuda.default_generators[torch.cuda.current_device()]
            generator.graphsafe_set_state(generator.clone_state())
        restore()

    def takes(self, inputs: Tree) -> bool:
        """Whether a batch has the shapes of the one that was captured."""
        return shapes(inputs) == shapes(self._inputs)

    def __call__(self, inputs: Tree, labels: torch.Tensor) -> torch.Tensor:
        """Train on a batch and return the loss, which the next call overwrites."""
        for kept, given in zip(leaves(self._inputs), leaves(inputs), strict=True):
            kept.copy_(given)
        self._labels.copy_(labels)
        self._graph.replay()
        return self._loss

    def _capture(self, step: Callable[[Tree, torch.Tensor], torch.Tensor]) -> None:
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                step(self._inputs, self._labels)
            with _waiting_refused():
                step(self._inputs, self._labels)
        torch.cuda.current_stream().wait_stream(side)
        with torch.cuda.graph(self._graph):
            self._loss = step(self._inputs, self._labels)


@contextmanager
def _waiting_refused() -> Iterator[None]:
    """Let whatever waits for the card fail: it cannot be captured, and fails more gently here than in a capture."""
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(action="ignore"):  # that it does not find everything
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


def _remembered(network: nn.Module, optimiser: torch.optim.Optimizer) -> Callable[[], None]:
    """Function that puts back, in place, what a network, its optimiser and the card's random numbers are now."""
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = {
        parameter: {name: value.clone() for name, value in kept.items() if isinstance(value, torch.Tensor)}
        for parameter, kept in optimiser.state.items()
    }
    drawn = torch.cuda.get_rng_state()

    @torch.no_grad()
    def restore() -> None:
        for name, tensor in network.state_dict().items():
            tensor.copy_(weights[name])
        for parameter, kept in optimiser.state.items():
            for name, value in kept.items():
                if isinstance(value, torch.Tensor):
                    before = state.get(parameter, {}).get(name)
                    value.zero_() if before is None else value.copy_(before)
        torch.cuda.set_rng_state(drawn)

    return restore
