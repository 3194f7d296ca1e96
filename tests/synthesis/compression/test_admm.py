"""The solver of one layer against closed forms, against an interior-point method, and against weak duality."""

import math

import numpy as np
import pytest
import torch

from evo_ensyth.synthesis.compression._admm import LayerSolver
from evo_ensyth.synthesis.compression._convex_program import (
    LayerProgram,
    judge,
    linear_program,
    lower_bound,
    relu_program,
    solve_with_cvxpy,
)

pytestmark = pytest.mark.usefixtures("one_thread")

DIGITS = 1e-4  # relative: four digits of the objective


def solver_of(program, *, start=0.2, precision=torch.float64):
    """Starting from weights that are all the same: no answer may depend on them."""
    weights = torch.full((program.inputs.shape[1], program.targets.shape[1]), start, dtype=torch.float64)
    return LayerSolver(program, weights, precision=precision)


def solve(program, radius, *, tolerance=1e-4, max_iterations=20_000, state=None, **options):
    solver = solver_of(program, **options)
    return solver.solve(radius, state, tolerance=tolerance, max_iterations=max_iterations)


def random_layer(seed, *, n_samples=150, n_inputs=20, n_neurons=6):
    rng = torch.Generator().manual_seed(seed)
    inputs = torch.randn(n_samples, n_inputs, generator=rng, dtype=torch.float64).clamp(min=0)
    inputs = torch.cat([inputs, inputs.new_ones(n_samples, 1)], dim=1)
    return inputs, torch.randn(n_inputs + 1, n_neurons, generator=rng, dtype=torch.float64) / 4


def norm_of_targets(program):
    return program.norm_on_active(program.targets)


def shaken(inputs, seed=1):
    """Inputs as a pruned layer before might let them through."""
    noise = 0.05 * torch.randn(inputs.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    noise[:, -1] = 0
    return inputs + noise


@pytest.mark.parametrize("gain", [0.02, 0.3, 0.99])
def test_a_single_positive_weight_shrinks_by_epsilon(gain):
    inputs = torch.tensor([[1.0], [2.0], [0.5]], dtype=torch.float64)
    program = relu_program(inputs, torch.tensor([[0.7]], dtype=torch.float64))
    solution = solve(program, gain * norm_of_targets(program), tolerance=1e-9)
    assert float(solution.weights) == pytest.approx((1 - gain) * 0.7, rel=1e-6)


@pytest.mark.parametrize("first_weight_guess", [1e-3, 0.5, 50.0])
def test_the_solver_does_not_stop_while_the_weights_stall_at_zero(first_weight_guess):
    """The published rule ends here at W2 = 0: the least-squares weights rest while their dual still grows."""
    inputs = torch.tensor([[1.0], [2.0], [0.5]], dtype=torch.float64)
    program = relu_program(inputs, torch.tensor([[0.7]], dtype=torch.float64))
    solution = solve(program, 0.99 * norm_of_targets(program), start=first_weight_guess, tolerance=1e-6)
    assert solution.converged
    assert float(solution.weights) == pytest.approx(0.007, rel=1e-3)


def test_whitened_inputs_of_a_last_layer_give_one_soft_threshold_for_all_weights():
    rng = torch.Generator().manual_seed(3)
    orthonormal = torch.linalg.qr(torch.randn(40, 8, generator=rng, dtype=torch.float64)).Q
    size = 2.5  # inputs^T inputs = size^2 times the identity
    weights = torch.randn(8, 4, generator=rng, dtype=torch.float64)
    program = linear_program(size * orthonormal, weights)
    radius = 0.3 * norm_of_targets(program)

    def miss(threshold):
        return float(torch.linalg.norm(weights.clamp(-threshold, threshold))) - radius / size

    low, high = 0.0, float(weights.abs().max())
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if miss(middle) < 0 else (low, middle)
    expected = weights - weights.clamp(-low, low)
    solution = solve(program, radius, tolerance=1e-10)
    np.testing.assert_allclose(solution.weights, expected, atol=1e-8)
    np.testing.assert_array_equal(solution.weights == 0, expected == 0)


def test_no_radius_gives_the_parents_weights_back():
    inputs, weights = random_layer(0)
    program = linear_program(inputs, weights)
    solution = solve(program, 0.0, tolerance=1e-10)
    np.testing.assert_allclose(solution.weights, weights, atol=1e-8)


@pytest.mark.parametrize("gain", [1.0, 1.5])
def test_a_radius_that_reaches_zero_gives_zero(gain):
    program = relu_program(*random_layer(0))
    assert not solve(program, gain * norm_of_targets(program)).weights.any()


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
@pytest.mark.parametrize("gain", [0.02, 0.1, 0.7])
@pytest.mark.parametrize("kind", ["relu", "last"])
def test_the_objective_is_that_of_an_interior_point_method(kind, gain, precision):
    pose = relu_program if kind == "relu" else linear_program
    inputs, weights = random_layer(0)
    program = pose(inputs, weights)
    radius = gain * norm_of_targets(program)
    expected = judge(program, solve_with_cvxpy(program, radius), radius).objective
    solution = solve(program, radius, precision=precision)
    quality = judge(program, solution.weights, radius)
    assert solution.converged
    assert quality.objective == pytest.approx(expected, rel=DIGITS)
    assert quality.ball <= 1 + DIGITS
    assert quality.overshoot <= 1e-3
    assert quality.objective <= float(weights.abs().sum())


@pytest.mark.parametrize("kind", ["relu", "last"])
def test_slack_for_changed_inputs_agrees_with_an_interior_point_method(kind):
    pose = relu_program if kind == "relu" else linear_program
    inputs, weights = random_layer(2)
    program = pose(inputs, weights, seen=shaken(inputs))
    missed = program.norm_on_active(program.inputs @ weights - program.targets)
    radius = math.sqrt(1.1) * missed
    assert judge(program, weights, radius).ball == pytest.approx(1 / math.sqrt(1.1))
    assert judge(program, weights, radius).overshoot == 0
    expected = judge(program, solve_with_cvxpy(program, radius), radius).objective
    quality = judge(program, solve(program, radius).weights, radius)
    assert quality.objective == pytest.approx(expected, rel=DIGITS)
    assert quality.ball <= 1 + DIGITS


def test_the_relu_of_the_answer_is_within_the_radius_of_the_parents_outputs():
    inputs, weights = random_layer(4)
    program = relu_program(inputs, weights)
    radius = 0.2 * norm_of_targets(program)
    answers = (inputs @ solve(program, radius).weights).clamp(min=0)
    assert float(torch.linalg.norm(answers - program.targets)) <= radius * (1 + DIGITS)


def test_inputs_and_radius_times_a_constant_leave_the_weights_alone():
    inputs, weights = random_layer(5)
    program = relu_program(inputs, weights)
    radius = 0.1 * norm_of_targets(program)
    larger = relu_program(1000 * inputs, weights)
    np.testing.assert_allclose(
        solve(larger, 1000 * radius, tolerance=1e-8).weights, solve(program, radius, tolerance=1e-8).weights, atol=1e-6
    )


def test_the_lower_bound_lies_just_below_the_optimum():
    inputs, weights = random_layer(0)
    program = relu_program(inputs, weights, seen=shaken(inputs))
    radius = math.sqrt(1.1) * program.norm_on_active(program.inputs @ weights - program.targets)
    optimum = judge(program, solve_with_cvxpy(program, radius), radius).objective
    bound = solve(program, radius).certificate.lower_bound
    assert optimum * (1 - 1e-3) <= bound <= optimum * (1 + 1e-6)


@pytest.mark.parametrize("ceilings", ["zero", "of changed inputs"])
def test_no_multipliers_whatever_give_a_bound_above_the_optimum(ceilings):
    inputs, weights = random_layer(0)
    program = relu_program(inputs, weights, seen=None if ceilings == "zero" else shaken(inputs))
    radius = 0.1 * norm_of_targets(program)
    optimum = judge(program, solve_with_cvxpy(program, radius), radius).objective
    rng = torch.Generator().manual_seed(0)
    for size in (0.001, 0.1, 10.0):
        multipliers = size * torch.randn(program.targets.shape, generator=rng, dtype=torch.float64)
        assert lower_bound(program, multipliers, radius) <= optimum
    best = solve(program, radius, tolerance=1e-6).multipliers
    for size in (0.5, 1.0, 1.5):
        multipliers = torch.where(program.active, best, size * best)
        assert lower_bound(program, multipliers, radius) <= optimum * (1 + 1e-6)


def test_a_start_from_a_smaller_radius_ends_at_the_same_answer_sooner():
    program = relu_program(*random_layer(6))
    solver = solver_of(program)
    limits = {"tolerance": 1e-6, "max_iterations": 20_000}
    before = solver.solve(0.1 * norm_of_targets(program), **limits)
    radius = 0.11 * norm_of_targets(program)
    cold, warm = solver.solve(radius, **limits), solver.solve(radius, before.state, **limits)
    assert warm.iterations < cold.iterations
    np.testing.assert_allclose(warm.weights, cold.weights, atol=1e-4)


def test_inputs_always_zero_and_neurons_never_active_get_no_weight_and_change_nothing_else():
    inputs, weights = random_layer(7)
    program = relu_program(inputs, weights)
    silent = torch.full((len(weights), 1), -1.0, dtype=torch.float64)
    wider = relu_program(
        torch.cat([torch.zeros(len(inputs), 1, dtype=torch.float64), inputs], dim=1),
        torch.cat([torch.ones(1, 7, dtype=torch.float64), torch.cat([silent, weights], dim=1)]),
    )
    radius = 0.1 * norm_of_targets(program)
    answer = solve(wider, radius).weights
    assert not answer[0].any()
    assert not answer[:, 0].any()
    np.testing.assert_array_equal(answer[1:, 1:], solve(program, radius).weights)


def test_a_neuron_that_is_never_active_still_obeys_ceilings_below_zero():
    """Zero weights would exceed them, so such a neuron must not be left out."""
    inputs, _ = random_layer(8)
    weights = torch.full((inputs.shape[1], 1), -1.0, dtype=torch.float64)
    program = relu_program(inputs, weights, seen=shaken(inputs))
    expected = solve_with_cvxpy(program, 1.0)
    solution = solve(program, 1.0)
    answer = solution.weights
    assert solution.converged
    assert float(answer.abs().sum()) == pytest.approx(float(expected.abs().sum()), rel=DIGITS)
    assert float(expected.abs().sum()) > 1


def test_arguments_are_left_as_they_are():
    program = relu_program(*random_layer(9))
    copies = [part.clone() for part in (program.inputs, program.targets, program.ceilings)]
    solver = solver_of(program, precision=torch.float32)
    state = solver.solve(0.1 * norm_of_targets(program), tolerance=1e-4, max_iterations=50).state
    outputs = state.outputs.clone()
    solver.solve(0.2 * norm_of_targets(program), state, tolerance=1e-4, max_iterations=50)
    for part, copy in zip((program.inputs, program.targets, program.ceilings), copies, strict=True):
        np.testing.assert_array_equal(part, copy)
    np.testing.assert_array_equal(state.outputs, outputs)


def test_running_out_of_iterations_is_reported():
    program = relu_program(*random_layer(0))
    solution = solve(program, 0.1 * norm_of_targets(program), max_iterations=3)
    assert not solution.converged
    assert solution.iterations == 3
    assert not solution.certificate.within(1e-4)


def test_the_certificate_holds_for_the_whole_program():
    """It is computed without the inputs and neurons that get no weight."""
    inputs, weights = random_layer(13)
    program = relu_program(torch.cat([0 * inputs[:, :1], inputs], dim=1), torch.cat([weights[:1], weights]))
    radius = 0.1 * norm_of_targets(program)
    solution = solve(program, radius)
    quality = judge(program, solution.weights, radius)
    assert solution.certificate.objective == pytest.approx(quality.objective, rel=1e-12)
    assert solution.certificate.excess == pytest.approx(max(0.0, quality.ball - 1), abs=1e-12)
    assert solution.certificate.overshoot == pytest.approx(quality.overshoot, abs=1e-12)
    assert 0 <= solution.certificate.gap <= 1e-4


@pytest.mark.parametrize("tolerance", [1e-1, 1e-2, 1e-3])
def test_no_answer_is_further_from_the_optimum_than_the_tolerance(tolerance):
    for seed in range(3):
        program = relu_program(*random_layer(seed))
        radius = 0.1 * norm_of_targets(program)
        optimum = judge(program, solve_with_cvxpy(program, radius), radius).objective
        solution = solve(program, radius, tolerance=tolerance)
        assert solution.certificate.lower_bound <= optimum * (1 + 1e-6)
        assert solution.certificate.objective == pytest.approx(optimum, rel=tolerance)


def test_progress_hears_of_every_stretch():
    messages = []
    program = relu_program(*random_layer(0))
    radius = 0.1 * norm_of_targets(program)
    limits = {"tolerance": 1e-12, "max_iterations": 60}
    solver_of(program).solve(
        radius, progress=lambda iterations, reached: messages.append((iterations, reached.gap)), **limits
    )
    assert [iterations for iterations, _ in messages] == [25, 50, 60]
    assert messages[-1][1] < messages[0][1]


def test_inputs_of_very_different_size_are_no_harder():
    """With one weight for all inputs in the least-squares step this took 275 iterations."""
    inputs, weights = random_layer(14)
    sizes = torch.logspace(-3, 1, len(weights), dtype=torch.float64)
    program = relu_program(inputs * sizes, weights)
    solution = solve(program, 0.1 * norm_of_targets(program), tolerance=1e-3)
    assert solution.converged
    assert solution.iterations <= 150


def test_the_ratio_to_no_radius_is_infinite_unless_nothing_is_missed():
    one = torch.ones(1, 1, dtype=torch.float64)
    program = LayerProgram(one, one, one.bool(), 0 * one)
    assert judge(program, one, 0.0).ball == 0
    assert judge(program, 2 * one, 0.0).ball == math.inf
