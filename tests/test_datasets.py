from __future__ import annotations

import ntkcore as nk
import numpy as np
import pytest
from ntkcore.datasets import mnist_sample, unit_circle


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_unit_circle_is_equally_spaced_and_on_the_circle(n: int) -> None:
    X = unit_circle(n)
    assert X.shape == (n, 2)
    assert X.dtype == np.float64
    assert X.flags.c_contiguous
    np.testing.assert_allclose(np.hypot(*X.T), 1, rtol=4e-16)
    gamma = np.arctan2(X[:, 1], X[:, 0])
    np.testing.assert_allclose(gamma, -np.pi + 2 * np.pi * np.arange(n) / n, atol=1e-15)


def test_unit_circle_takes_angles() -> None:
    np.testing.assert_allclose(unit_circle(angles=[0, np.pi / 2]), [[1, 0], [0, 1]], atol=1e-16)
    assert unit_circle(angles=[]).shape == (0, 2)
    assert unit_circle(3, dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n": 0}, ValueError, "n must be an integer at least 1, got 0"),
        ({"n": 2.0}, TypeError, "n must be an integer"),
        ({"n": True}, TypeError, "n must be an integer"),
        ({}, ValueError, "exactly one of n, angles must be given, got none"),
        ({"n": 2, "angles": [1, 2]}, ValueError, "got n and angles"),
        ({"angles": [[1.0]]}, ValueError, "angles must be one-dimensional"),
        ({"angles": [np.inf]}, ValueError, "angles must be finite"),
        ({"angles": [1j]}, TypeError, "angles must hold real numbers"),
        ({"n": 3, "dtype": np.float16}, ValueError, "dtype must be float32 or float64"),
        ({"n": 3, "dtype": None}, ValueError, "dtype must be float32 or float64"),
        ({"n": 3, "dtype": "nonsense"}, ValueError, "dtype must be float32 or float64"),
    ],
)
def test_unit_circle_refuses(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        unit_circle(**arguments)  # type: ignore[arg-type]


def test_the_digits_are_those_of_mnist() -> None:
    images, labels = mnist_sample(10_000)
    assert images.shape == (10_000, 784)
    assert labels.shape == (10_000,)
    np.testing.assert_array_equal(np.bincount(labels), [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978])
    assert (images.min(), images.max()) == (0, 1)
    assert abs(images.mean() - 0.1311) < 1e-4
    assert abs(images.std() - 0.3087) < 1e-4
    assert len(np.unique(np.rint(images * 255).astype(np.uint8), axis=0)) == 10_000


def test_default_sample() -> None:
    sample = nk.datasets.mnist_sample()
    X, y = sample
    assert X is sample.images
    assert y is sample.labels
    assert X.shape == (512, 784)
    assert X.dtype == np.float64
    assert y.dtype == np.int64
    assert len(np.unique(X, axis=0)) == 512  # without replacement
    np.testing.assert_array_equal(X * 255, np.rint(X * 255))


def test_rng_convention() -> None:
    same = [mnist_sample(20, rng) for rng in (3, np.random.SeedSequence(3), np.random.default_rng(3))]
    for sample in same[1:]:
        np.testing.assert_array_equal(sample.images, same[0].images)
    generator = np.random.default_rng(3)
    first, second = mnist_sample(20, generator), mnist_sample(20, generator)
    assert not np.array_equal(first.images, second.images)
    assert not np.array_equal(mnist_sample(20, None).images, mnist_sample(20, None).images)


def test_samples_are_new_arrays() -> None:
    first = mnist_sample(5)
    first.images[:] = 7
    assert mnist_sample(5).images.max() <= 1


def test_digits_and_dtype() -> None:
    X, y = mnist_sample(100, digits=(3, 8), dtype=np.float32)
    assert X.dtype == np.float32
    assert set(y.tolist()) == {3, 8}
    np.testing.assert_allclose(X, mnist_sample(100, digits=(8, 3)).images, rtol=1e-7)
    assert set(mnist_sample(863, digits=5).labels.tolist()) == {5}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n": 0}, ValueError, "n must be an integer between 1 and the number of pictures, 10000, got 0"),
        ({"n": 10_001}, ValueError, "n must be .* 10000, got 10001"),
        ({"n": 864, "digits": 5}, ValueError, "number of pictures, 863, got 864"),
        ({"n": 5.0}, TypeError, "n must be an integer"),
        ({"rng": -1}, ValueError, "rng must be"),
        ({"rng": "x"}, TypeError, "rng must be"),
        ({"digits": 10}, ValueError, "digits must be an integer between 0 and 9, got 10"),
        ({"digits": (1, -1)}, ValueError, r"digits\[1\] must be"),
        ({"digits": 1.5}, TypeError, "digits must be an integer"),
        ({"digits": ()}, TypeError, "digits must be an integer"),
        ({"dtype": int}, ValueError, "dtype must be float32 or float64"),
    ],
)
def test_mnist_sample_refuses(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        mnist_sample(**arguments)  # type: ignore[arg-type]
