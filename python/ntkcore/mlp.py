r"""Finite networks in the NTK parametrization.

α⁰ = x,   α̃^{ℓ+1} = (σ_w/√n_ℓ) W^ℓ α^ℓ + σ_b b^ℓ,   α^ℓ = σ(α̃^ℓ),   f = α̃^L
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt

from . import _parameters
from ._files import PathLike
from ._validation import FloatArray
from .empirical_ntk import TangentKernel
from .network import Network
from .training import Trainable

__all__ = ["MLP"]


class MLP(TangentKernel, Trainable):
    r"""A fully connected network of finite width, with parameters.

    Make one with `Network.init` (drawn), `MLP.from_arrays`, `MLP.from_state_dict` or `MLP.load`.

    Parameters
    ----------
    net : Network
        Depth, activations and standard deviations.
    weights : sequence of L arrays, W^ℓ of shape (n_{ℓ+1}, n_ℓ)
        Referred to, not copied, if they are writeable C-ordered arrays of one float dtype.
    biases : sequence of L arrays, b^ℓ of shape (n_{ℓ+1},)
        Likewise.
    threads : int, optional
        How many threads its computations use, by default all; results do not depend on it, to the last bit.

    Attributes
    ----------
    net : Network
        As given.
    widths : tuple of int
        n_0, n_1, …, n_L.
    n_inputs, n_outputs, n_parameters : int
        n_0, n_L and how many weights and biases there are.
    dtype : dtype
        float32 or float64, of parameters, computations and results.

    Examples
    --------
    >>> import ntkcore as nk
    >>> net = nk.Network(depth=3, activation="relu")
    >>> mlp = net.init(2, 100, rng=0)
    >>> X = nk.datasets.unit_circle(4)
    >>> mlp(X).shape, mlp.empirical_ntk(X).shape
    ((4, 1), (4, 4))
    >>> history = mlp.train(X, X[:, 0] * X[:, 1], steps=200)
    >>> bool(history.losses[-1] < history.losses[0])
    True
    """

    @staticmethod
    def from_arrays(
        net: Network,
        weights: Sequence[npt.ArrayLike],
        biases: Sequence[npt.ArrayLike],
        *,
        threads: int | None = None,
    ) -> MLP:
        """Make a network of copies of the given parameters.

        Parameters
        ----------
        net : Network
            Depth, activations and standard deviations.
        weights, biases : sequences of L array_like, (n_{ℓ+1}, n_ℓ) and (n_{ℓ+1},)
            In the NTK parametrization, where the initial ones are N(0, 1). float32 if all are, else float64.
        threads : int, optional
            As for `MLP`.

        Raises
        ------
        TypeError, ValueError
            If shapes do not fit each other or the depth, or numbers are not finite.

        Examples
        --------
        >>> import ntkcore as nk
        >>> net = nk.Network(depth=1, bias_std=0.5)
        >>> nk.MLP.from_arrays(net, [[[2.0]]], [[4.0]])([[3.0]])
        array([[8.]])
        """
        W, b = _parameters.as_layers(net, weights, biases)
        return MLP(net, [w.copy() for w in W], [v.copy() for v in b], threads=threads)

    @staticmethod
    def from_state_dict(
        net: Network, state_dict: Mapping[str, Any], *, dtype: npt.DTypeLike | None = None, threads: int | None = None
    ) -> MLP:
        r"""Make a network of the Linear layers of a PyTorch model, computing the same function.

        A Linear layer computes W_torch α + b_torch, this network (σ_w/√n_ℓ) W α + σ_b b; so W = (√n_ℓ/σ_w) W_torch and
        b = b_torch/σ_b. Gradient descent with rate η is another algorithm in the two parametrizations.

        Parameters
        ----------
        net : Network
            Depth, activations and standard deviations; the activations have to be those between the Linear layers.
        state_dict : mapping
            ``model.state_dict()``: for each Linear layer ``….weight`` (n_out, n_in) and, unless made with
            ``bias=False``, ``….bias`` (n_out,), in the order of the layers. Tensors on the CPU or arrays.
        dtype : dtype, optional
            By default float32 if all tensors are, else float64.
        threads : int, optional
            As for `MLP`.

        Raises
        ------
        TypeError, ValueError
            If there are other tensors than those of Linear layers, or they do not fit each other or the depth; if σ_w
            or σ_b is 0 where weights or biases are not.

        Examples
        --------
        >>> import numpy as np
        >>> import ntkcore as nk
        >>> tensors = {"0.weight": np.eye(2), "0.bias": np.ones(2), "2.weight": np.ones((1, 2)), "2.bias": np.zeros(1)}
        >>> mlp = nk.MLP.from_state_dict(nk.Network(depth=2), tensors)
        >>> mlp([[3.0, -5.0]])
        array([[4.]])
        """
        from ._mlp_files import arrays_of_state_dict

        return MLP(net, *arrays_of_state_dict(net, state_dict, dtype), threads=threads)

    def to_state_dict(self) -> dict[str, FloatArray]:
        """Return the way back: arrays for the Linear layers of ``nn.Sequential(Linear, activation, Linear, …)``.

        Returns
        -------
        dict of str to ndarray
            ``0.weight``, ``0.bias``, ``2.weight``, …; ``{k: torch.from_numpy(v) for k, v in …}`` can be loaded by a
            model.

        Examples
        --------
        >>> import ntkcore as nk
        >>> list(nk.Network(depth=2).init(3, 10, rng=0).to_state_dict())
        ['0.weight', '0.bias', '2.weight', '2.bias']
        """
        from ._mlp_files import state_dict_of_arrays

        return state_dict_of_arrays(self.net, self._weights, self._biases)

    def save(self, path: PathLike) -> None:
        """Write parameters and the network's description to an npz file, which is never there in part.

        Parameters
        ----------
        path : str or path
            Of the file, used as it is; an existing one is replaced.

        Raises
        ------
        OSError
            If the file cannot be written; one that was there is as before.
        """
        from ._mlp_files import save

        save(self, path)

    @staticmethod
    def load(path: PathLike, *, net: Network | None = None, threads: int | None = None) -> MLP:
        """Read a network that `save`, or a checkpoint of `train`, wrote; the same bits.

        Parameters
        ----------
        path : str or path
            Of the file.
        net : Network, optional
            Needed if an activation is a function of yours, which no file can hold; it has to agree with the file.
        threads : int, optional
            As for `MLP`.

        Raises
        ------
        OSError, ValueError
            If there is no such file; if it is something else, or damaged; if ``net`` is needed or does not agree.
        """
        from ._mlp_files import load

        return load(path, net, threads)
