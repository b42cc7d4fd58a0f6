// Where σ is smooth: its parity, how far its Gaussian integrals reach, and panels on which it is a polynomial.
#pragma once

#include <cstddef>
#include <limits>
#include <vector>

#include "ntkcore/expansion.hpp"

namespace ntkcore {

// σ at ±x, split: odd[i] = ½(σ(x) − σ(−x)), even[i] = ½(σ(x) + σ(−x)). A part that vanishes is not written.
struct Split {
    std::vector<double> odd, even, points, values;
};

struct Sigma {
    const Function& function;
    Parity parity;

    [[nodiscard]] bool odd() const { return parity != Parity::even; }
    [[nodiscard]] bool even() const { return parity != Parity::odd; }

    // σ at space.points[0 … n), all of them positive.
    void operator()(std::size_t n, Split& space) const {
        space.points.resize(parity == Parity::none ? 2 * n : n);
        space.values.resize(space.points.size());
        if (parity != Parity::none) {
            function(space.points.data(), n, space.values.data());
            (odd() ? space.odd : space.even).assign(space.values.begin(), space.values.end());
            return;
        }
        for (std::size_t i = 0; i < n; ++i) space.points[n + i] = -space.points[i];
        function(space.points.data(), 2 * n, space.values.data());
        space.odd.resize(n);
        space.even.resize(n);
        for (std::size_t i = 0; i < n; ++i) {
            space.odd[i] = 0.5 * space.values[i] - 0.5 * space.values[n + i];
            space.even[i] = 0.5 * space.values[i] + 0.5 * space.values[n + i];
        }
    }
};

// Odd, even or neither, from values over many scales.
[[nodiscard]] Parity parity_of(const Function& function, double reach);

// The R beyond which σ(√q z) e^{−z²/4} is below the rounding of its norm.
[[nodiscard]] double radius(const Function& function, double root);

// Edges 0 = e_0 < e_1 < … = R of panels in z, on each of which σ(s·root·z) is a polynomial of degree 31 for the
// shrinkings s given: all that are needed for the variances of a class.
[[nodiscard]] std::vector<double> make_panels(const Sigma& sigma, double root, double reach,
                                              const std::vector<double>& shrink,
                                              const std::vector<double>& breakpoints);

}  // namespace ntkcore
