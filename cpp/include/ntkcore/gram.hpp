// Gram matrices of the infinitely wide network: Σ (NNGP), Σ̇ and Θ (NTK), fused over depth, tile by tile.
#pragma once

#include <vector>

#include "ntkcore/error_bound.hpp"
#include "ntkcore/matrix_view.hpp"
#include "ntkcore/network.hpp"
#include "ntkcore/parallel.hpp"
#include "ntkcore/samples.hpp"

namespace ntkcore {

// Where results go: per wanted level one N × M view, or an empty vector for a kernel that is not wanted.
template <class T>
struct Outputs {
    std::vector<MatrixView<T>> sigma;
    std::vector<MatrixView<T>> sigma_dot;  // level 0 (depth 1) has no activation before it: set to 0
    std::vector<MatrixView<T>> theta;
};

// How exact the kernels are.
struct Report {
    std::vector<ErrorBound> bounds;    // of depth 1, 2, …
    std::vector<std::size_t> degrees;  // of the expansion of each hidden layer; 0 for closed forms
    bool capped = false;               // an expansion has as many terms as memory allows, and should have more
};

// Kernels of the rows of x among themselves (z null: upper triangle computed and mirrored, exact diagonal) or with
// the rows of z. The same bits for every thread count. Exceptions of `poll` stop the work. Returns whether an entry was
// too large for T and was set to its largest number.
template <class T>
bool gram(const Network& network, MatrixView<const T> x, const MatrixView<const T>* z, Levels levels,
          const Outputs<T>& out, int threads, const Poll* poll, Report* report = nullptr);

// The diagonals alone, O(N (n0 + L)); null for one that is not wanted.
template <class T>
bool gram_diagonal(const Network& network, MatrixView<const T> x, T* sigma, T* theta, int threads);

}  // namespace ntkcore
