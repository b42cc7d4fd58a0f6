// A number with twice the digits of a double and an exponent of its own: (hi + lo)·2^e. Variances of deep networks and
// of very long or very short inputs leave the range of double long before the kernel's correlations lose a digit, and
// a constant factor per layer, rounded to double, would cost one unit in the last place per layer.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace ntkcore {

// std::frexp and std::ldexp without a call for ordinary numbers.
inline double mantissa(double x, int& exponent) {
    const auto bits = std::bit_cast<std::uint64_t>(x);
    const int biased = static_cast<int>(bits >> 52 & 0x7FF);
    if (biased == 0 || biased == 0x7FF) return std::frexp(x, &exponent);
    exponent = biased - 1022;
    return std::bit_cast<double>((bits & ~(std::uint64_t{0x7FF} << 52)) | std::uint64_t{1022} << 52);
}
inline double times_power(double x, int exponent) {
    if (exponent < -1000 || exponent > 1000) return std::ldexp(x, std::clamp(exponent, -4000, 4000));
    return x * std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
}

struct Scaled {
    double hi = 0.0;  // 0, or in [½, 1]
    double lo = 0.0;  // the rounding error of hi
    std::int32_t e = 0;

    Scaled() = default;
    explicit Scaled(double high, std::int32_t exponent = 0, double low = 0.0) {
        int shift = 0;
        hi = mantissa(high, shift);
        if (hi == 0.0) return;
        lo = times_power(low, -shift);
        e = exponent + shift;
    }

    [[nodiscard]] bool zero() const { return hi == 0.0; }
    // The nearest double: overflows to infinity and underflows to zero, as ldexp does.
    [[nodiscard]] double value() const { return times_power(hi + lo, e); }
};

inline Scaled operator*(Scaled a, Scaled b) {
    const double p = a.hi * b.hi;
    const double error = std::fma(a.hi, b.hi, -p) + (a.hi * b.lo + a.lo * b.hi);
    const double sum = p + error;
    return Scaled(sum, a.e + b.e, error - (sum - p));
}
inline Scaled operator*(double a, Scaled b) { return Scaled(a) * b; }
inline Scaled square(double x) { return Scaled(x) * Scaled(x); }

// For a, b ≥ 0.
inline Scaled operator+(Scaled a, Scaled b) {
    if (a.zero()) return b;
    if (b.zero()) return a;
    if (a.e < b.e) std::swap(a, b);
    if (a.e - b.e > 120) return a;
    const double down = times_power(1.0, b.e - a.e);
    const double x = b.hi * down;
    const double s = a.hi + x;
    const double part = s - a.hi;
    const double error = ((a.hi - (s - part)) + (x - part)) + (a.lo + b.lo * down);
    const double sum = s + error;
    return Scaled(sum, a.e, error - (sum - s));
}

// a / b, for b ≠ 0; and rounded to double.
inline Scaled quotient(Scaled a, Scaled b) {
    const double q = a.hi / b.hi;
    const double rest = std::fma(-q, b.hi, a.hi) + (a.lo - q * b.lo);
    const double correction = rest / b.hi;
    const double sum = q + correction;
    return Scaled(sum, a.e - b.e, correction - (sum - q));
}
inline double ratio(Scaled a, Scaled b) { return quotient(a, b).value(); }

// √a, for a ≥ 0.
inline Scaled sqrt(Scaled a) {
    if (a.zero()) return a;
    const int odd = a.e & 1;
    const double hi = times_power(a.hi, odd);
    const double s = std::sqrt(hi);
    const double rest = (std::fma(-s, s, hi) + times_power(a.lo, odd)) / (2.0 * s);
    const double sum = s + rest;
    return Scaled(sum, (a.e - odd) / 2, rest - (sum - s));
}

}  // namespace ntkcore
