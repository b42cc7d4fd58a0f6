// Slowly converging series by few of their terms. The degrees of one parity are 2d or 2d + 1, d = 0, 1, 2, …; on a
// lattice that is dense up to some d, and from there on of steps 2, 4, 8, … as d grows,
//   Σ_d f(d) ≈ Σ_m weight_m f(node_m)
// for f that vary slowly where the lattice is coarse: powers of d times exponentials e^{−dt}, t ≥ 0, all alike.
#pragma once

#include <cstddef>
#include <vector>

namespace ntkcore {

struct Lattice {
    std::vector<std::size_t> node;   // d_0 = 0, d_1 = 1, …; empty: every degree counts
    std::vector<std::size_t> start;  // from node number start[l] on the steps are 2^l, start[0] = 0
    std::vector<double> weight;      // positive; the last one stands for all that follows, too

    // Steps of 1 up to d = dense, then of at most d/rate; the last node is about `top`, or `dense` if that is more.
    [[nodiscard]] static Lattice make(std::size_t dense, std::size_t top, std::size_t rate);

    [[nodiscard]] bool used() const { return !node.empty(); }
    [[nodiscard]] std::size_t dense() const { return start.size() > 1 ? node[start[1]] : 0; }
    [[nodiscard]] std::size_t top() const { return node.empty() ? 0 : node.back(); }
};

}  // namespace ntkcore
