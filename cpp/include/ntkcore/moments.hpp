// Second moments of an activation.
#pragma once

#include "ntkcore/scaled.hpp"

namespace ntkcore {

// Of σ(√q z), z ~ N(0, 1), for the variance q of one sample.
struct Moments {
    Scaled square;            // E[σ²]
    Scaled slope_square;      // E[σ̇²]; 0 where it is infinite (sign, step)
    double mean_slope = 0.0;  // E[σ̇]
    // What the error bounds of closed forms need (error_bound.hpp), where it is finite: S = q² E[σ̈²]/E[σ²] of smooth σ;
    // B = Σ |c_b| e^{−b²/4q}/√E[σ̇²] of piecewise linear ones, whose slope jumps by c_b at b.
    double curvature = kUnbounded;
    double bend = kUnbounded;

    static constexpr double kUnbounded = 1e300;
};

}  // namespace ntkcore
