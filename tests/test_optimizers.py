"""What the classes of `sdl.optim` take, and refuse."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import streamdl as sdl


def learner(optimizer: sdl.optim.Optimizer) -> sdl.Learner:
    return sdl.Learner(sdl.MLP(3, [], 1), "squared_error", optimizer)


def test_adamw_decays_past_the_gradient_alone() -> None:
    assert sdl.optim.AdamW().hyperparameters["decoupled_weight_decay"] == 0.01
    assert sdl.optim.Adam().hyperparameters["decoupled_weight_decay"] == 0
    hint = "AdamW decays weights past the gradient: use decoupled_weight_decay"
    with pytest.raises(ValueError, match=rf"AdamW\.weight_decay: {hint}.*got 0\.1"):
        sdl.optim.AdamW(weight_decay=0.1)
    sdl.optim.AdamW(weight_decay=0)
    made = learner(sdl.optim.AdamW())
    with pytest.raises(ValueError, match=rf"weight_decay: {hint}.*got 0\.5"):
        made.hyperparameters["weight_decay"] = 0.5
    made.hyperparameters["decoupled_weight_decay"] = 0.5
    assert made.hyperparameters["decoupled_weight_decay"] == 0.5


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: sdl.optim.RMSprop(decay=1.0), r"RMSprop\.decay: .*\[0, 1\).*got 1\.0"),
        (lambda: sdl.optim.RMSprop(step_size=-1), r"RMSprop\.step_size: .*got -1"),
        (lambda: sdl.optim.RMSprop(beta=0.9), "RMSprop has no argument 'beta'; it takes step_size"),
        (lambda: sdl.optim.IDBD(0.1), "IDBD needs meta_step_size"),
        (lambda: sdl.optim.RMSProp(), "no 'RMSProp'; it has SGD"),  # type: ignore[attr-defined]
    ],
)
def test_wrong_arguments_are_named(make: object, words: str) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError), match=words):
        make()  # type: ignore[operator]


@pytest.mark.parametrize("name", [name for name in sdl.optim.__all__ if name != "Optimizer"])
def test_a_docstring_has_the_equation_the_arguments_and_the_source(name: str) -> None:
    rule = getattr(sdl.optim, name)
    text = inspect.getdoc(rule)
    assert text is not None and "w " in text and "Source: " in text and "Cost: " in text
    for argument in (*rule._table["hypers"], *rule._table["options"]):
        assert f"{argument['name']} (" in text, argument["name"]


def test_nidbd_cuts_a_step_size_above_1() -> None:
    optimizer = sdl.optim.NIDBD(
        0.9, 1.0, normalize="deviation", normalizer_decay=0.0, epsilon=1e-30
    )
    made = sdl.Learner(sdl.MLP(1, [], 1, bias=False), "squared_error", optimizer, dtype="float64")
    made.parameters["0.weight"][...] = 0
    made.state["0.weight.weight_trace"][...] = 1.0
    made.step([0.1], 1.0)  # g = -0.1 makes the step size grow
    assert made.step_sizes["0.weight"][0, 0] == 0.98
    assert made.parameters["0.weight"][0, 0] == pytest.approx(0.098)  # with the step size as cut
    # With a decay of 0 the mean is g itself and the deviation 0: q = g / epsilon, and h was 0.
    assert made.state["0.weight.weight_trace"][0, 0] == pytest.approx(0.098 / 1e-30)


def test_normalized_idbd_never_overshoots() -> None:
    """A long input: one step removes all of the error, and not more."""
    optimizer = sdl.optim.NormalizedIDBD(0.5, 0.01)
    made = sdl.Learner(sdl.MLP(20, [], 1, bias=False), "squared_error", optimizer, dtype="float64")
    x = [10.0] * 20
    made.step(x, 3.0)
    assert made.predict(x)[0] == pytest.approx(3.0)
    assert sum(made.step_sizes["0.weight"][:, 0]) * 100 == pytest.approx(1.0)


def test_sig_idbd_removes_its_share_of_the_error() -> None:
    optimizer = sdl.optim.SigIDBD(meta_step_size=0.0, rate=0.25, rate_meta_step_size=0.0)
    made = sdl.Learner(sdl.MLP(2, [], 1, bias=False), "squared_error", optimizer, dtype="float64")
    for x in ([1.0, -2.0], [1e3, 5.0], [0.0, 0.01]):
        before = made.predict(x)[0]
        made.step(x, 3.0)
        assert 3.0 - made.predict(x)[0] == pytest.approx(0.75 * (3.0 - before), rel=1e-3)
    with pytest.raises(ValueError, match="SigIDBD.*one output"):
        sdl.Learner(sdl.MLP(2, [], 2), "squared_error", optimizer)
    with pytest.raises(ValueError, match="SigIDBD.*another loss"):
        sdl.Learner(sdl.MLP(2, [], 1), "huber", optimizer)


def test_sig_idbd_learns_its_share() -> None:
    """The same error again and again asks for more, noise for less."""
    optimizer = sdl.optim.SigIDBD(meta_step_size=0.0, rate=0.5, rate_meta_step_size=0.01)
    steady, noisy = learner(optimizer), learner(optimizer)
    random = np.random.default_rng(0)
    for i in range(400):
        x = random.normal(size=3)
        steady.step(x, 0.01 * i * x[0])
        noisy.step(x, random.normal())
    shares = [float(made.state["SigIDBD.rate"][0]) for made in (steady, noisy)]
    assert shares[1] < 0.45 < 0.5 < shares[0], shares
