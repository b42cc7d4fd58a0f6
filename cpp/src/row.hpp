// One row of one tile, and the memory of its state.
#pragma once

#include <cstddef>
#include <vector>

#include "ntkcore/aligned.hpp"
#include "tile/kernels.hpp"

namespace ntkcore {

using tile::kPanel;

// Row i against columns j0 … of a panel: columns [first, last) are wanted, [begin, end) computed.
template <class T>
struct Row {
    std::size_t i, j0, first, last, begin, end;
    T *u, *theta, *theta_low, *dot;  // see tile/kernels.hpp; null where not needed
};

// The state of a row, or of `slots` rows, and what all calls of a tile have in common.
template <class T>
struct RowSpace {
    RowSpace(std::size_t slots, std::size_t layers)
        : u(slots * kPanel), theta(slots * kPanel), theta_low(slots * kPanel), dot(slots * kPanel), calls(layers) {}
    Aligned<T> u, theta, theta_low, dot;
    std::vector<tile::LayerCall<T>> calls;
};

// Which of the kernels are wanted.
struct Wanted {
    bool sigma, sigma_dot, theta;
    [[nodiscard]] bool any() const { return sigma || sigma_dot || theta; }
    [[nodiscard]] std::size_t count() const { return (sigma ? 1U : 0U) + (sigma_dot ? 1U : 0U) + (theta ? 1U : 0U); }
};

}  // namespace ntkcore
