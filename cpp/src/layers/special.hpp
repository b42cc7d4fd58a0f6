// Functions of one variable, in double, that the tables of several layers are made of.
#pragma once

#include <cmath>

#include "ntkcore/scaled.hpp"

namespace ntkcore {

// Numbers in tables whose squares, and products of these, must stay within the range of T.
template <class T>
constexpr double kLargestRoot = sizeof(T) == sizeof(float) ? 1e18 : 1e150;
template <class T>
constexpr double kSmallest = sizeof(T) == sizeof(float) ? 1e-17 : 1e-140;
// Scaled numbers hold e^x for |x| up to this, and products of several.
constexpr double kLargestExponent = 1e8;

// A number that can be multiplied with zero.
inline double finite(double x) { return std::fmax(-1e300, std::fmin(x, 1e300)); }

// e^x
inline Scaled exponential(double x) {
    constexpr double kLn2High = 6.93147180369123816490e-01;
    constexpr double kLn2Low = 1.90821492927058770002e-10;
    const double n = std::nearbyint(x / (kLn2High + kLn2Low));
    return Scaled(std::exp((x - n * kLn2High) - n * kLn2Low), static_cast<std::int32_t>(n));
}

// (sinh s − s)/s³ at z = s² ≤ 1
inline double sinh_cubic(double z) {
    double sum = 0.0;
    for (int k = 9; k >= 0; --k) sum = (sum * z + 1.0) / ((2.0 * k + 2.0) * (2.0 * k + 3.0));
    return sum;
}

}  // namespace ntkcore
