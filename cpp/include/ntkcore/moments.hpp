// Second moments of an activation.
#pragma once

#include "ntkcore/scaled.hpp"

namespace ntkcore {

// Of σ(√q z), z ~ N(0, 1), for the variance q of one sample.
struct Moments {
    Scaled square;            // E[σ²]
    Scaled slope_square;      // E[σ̇²]; 0 where it is infinite (sign, step)
    double mean_slope = 0.0;  // E[σ̇]
};

}  // namespace ntkcore
