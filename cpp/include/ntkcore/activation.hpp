// Activation functions: what the engine needs of one for a single sample. The pair formulas are in src/tile.
#pragma once

#include <cmath>

#include "ntkcore/scaled.hpp"

namespace ntkcore {

// σ(x) = a·min(x, 0) + b·max(x, 0): relu (0, 1), leaky relu (α, 1), abs (−1, 1), identity (1, 1).
struct AbRelu {
    double a = 0.0;
    double b = 1.0;

    // E[σ(z)²] = E[σ̇(z)²] for z ~ N(0, 1); E[σ(√q z)²] is q times that.
    [[nodiscard]] Scaled second_moment() const { return 0.5 * (square(a) + square(b)); }
    // λ = (a−b)²/(a²+b²), the weight of the arc-cosine part; 0 for σ = 0
    [[nodiscard]] double lambda() const {
        const double scale = std::fmax(std::fabs(a), std::fabs(b));
        if (scale == 0.0) return 0.0;
        const double x = a / scale;
        const double y = b / scale;
        return (x - y) * (x - y) / (x * x + y * y);
    }
};

}  // namespace ntkcore
