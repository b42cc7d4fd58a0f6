// Elementary functions of whole vectors, right to a few units in the last place for every finite argument; NaN stays.
#pragma once

#include "../tile/elementary.hpp"
#include "kernels.hpp"

namespace ntkcore::dense::NTKCORE_ISA {
namespace {

using namespace tile::NTKCORE_ISA;

template <class T>
struct ExpRange;
template <>
struct ExpRange<float> {
    static constexpr float kLow = -106.0F, kHigh = 89.0F;
    static constexpr float kLn2High = 0.693145751953125F, kLn2Low = 1.42860682030941723212e-6F;
};
template <>
struct ExpRange<double> {
    static constexpr double kLow = -760.0, kHigh = 710.0;
    static constexpr double kLn2High = 6.93147180369123816490e-01, kLn2Low = 1.90821492927058770002e-10;
};

// e^x, and e^x − 1 without cancellation for x ≤ 0.
template <class T>
struct Exp {
    Vec<T> value, minus_one;
};
template <class T>
inline Vec<T> power_of_two(Bits<T> k) {
    return reinterpret_cast<Vec<T>>((k + ExpSeries<T>::kBias) << ExpSeries<T>::kMantissa);
}
template <class T>
inline Exp<T> exponential_of(Vec<T> x) {
    using S = ExpSeries<T>;
    using R = ExpRange<T>;
    constexpr T kLog2e = T(1.4426950408889634074);
    constexpr T kRound = T(3) * T(std::int64_t{1} << (S::kMantissa - 1));  // adding it rounds to whole numbers
    const Vec<T> y = maximum<T>(minimum<T>(x, splat(R::kHigh)), splat(R::kLow));
    const Vec<T> shifted = y * kLog2e + kRound;
    const Vec<T> k = shifted - kRound;
    const Bits<T> whole = reinterpret_cast<Bits<T>>(shifted) - reinterpret_cast<Bits<T>>(splat(kRound));
    const Vec<T> f = ((y - k * R::kLn2High) - k * R::kLn2Low) * kLog2e;
    const Vec<T> rest = f * polynomial<T>(S::wide, f);  // 2^f − 1
    const Bits<T> half = whole >> 1;                    // in two steps: 2^k itself may be out of range
    const Vec<T> a = power_of_two<T>(half);
    const Vec<T> b = power_of_two<T>(whole - half);
    const Vec<T> value = (a + a * rest) * b;
    const Vec<T> scale = a * b;
    const Vec<T> minus_one = (scale - 1) + scale * rest;
    return {x == x ? value : x, x == x ? minus_one : x};
}

// e^{−x²/2·factor} with the rounding of x² made good; factor is a power of two.
template <class T>
inline Vec<T> gaussian_of(Vec<T> x, T half) {
    const Vec<T> square = x * x;
    const Vec<T> rest = fused_difference<T>(x, x, square);
    const Vec<T> e = exponential_of<T>(square * -half).value;
    const Vec<T> corrected = e - e * (rest * half);
    return square < splat(T(1e6)) ? corrected : e;  // beyond, the rest may be infinite
}

// ln(1 + e) = 2 artanh(e/(2 + e)) for 0 ≤ e ≤ 1.
template <class T>
struct AtanhSeries;
template <>
struct AtanhSeries<float> {
    static constexpr float c[] = {1.0F, 0.3333333951F, 0.1999935562F, 0.143101037F, 0.1069928025F, 0.1219695404F};
};
template <>
struct AtanhSeries<double> {
    static constexpr double c[] = {1.0,
                                   0.33333333333333333067,
                                   0.2000000000000013402,
                                   0.14285714285687825765,
                                   0.11111111113820865993,
                                   0.090909089260906135886,
                                   0.076923141106323210244,
                                   0.066664997601925853657,
                                   0.058853092776241545906,
                                   0.052274737577654313479,
                                   0.050490927343170297784,
                                   0.028927044988338250322,
                                   0.080362830673391359166};
};
template <class T>
inline Vec<T> log_one_plus(Vec<T> e) {
    const Vec<T> z = e / (2 + e);
    return 2 * z * polynomial<T>(AtanhSeries<T>::c, z * z);
}

// erf(y)/y in y² on [0, 1], and (1 + 2y) e^{y²} erfc(y) in (y − K)/(y + K) for y ≥ 0 (Chebyshev).
template <class T>
struct ErfSeries;
template <>
struct ErfSeries<float> {
    static constexpr float kMiddle = 3.0F;
    static constexpr float small[] = {1.128379166F,    -0.3761262667F,   0.1128359472F,  -0.02685421201F,
                                      0.005189087423F, -8.016864287e-4F, 7.875875063e-5F};
    static constexpr float tail[] = {1.253008058F,    -0.1356210682F,    -0.04756229383F,   0.129644091F,
                                     -0.1192736784F,  0.06831669729F,    -0.02377038871F,   0.002498822611F,
                                     0.001888215701F, -0.0007261608012F, -0.0001042211771F, 7.720413938e-5F,
                                     3.891751557e-6F};
};
template <>
struct ErfSeries<double> {
    static constexpr double kMiddle = 4.0;
    static constexpr double small[] = {
        1.1283791670955125739,     -0.37612638903183752462,    0.11283791670955125626,    -0.026866170645131218518,
        0.0052239776254416740139,  -0.00085483270234030006089, 0.00012055332978879483867, -0.000014925650236967501742,
        1.6462110782018636387e-6,  -1.6365768648832072118e-7,  1.4806027146128751663e-8,  -1.2277734486795523848e-9,
        9.3237235181530266337e-11, -6.1967364287876999834e-12, 2.8067128195611262471e-13};
    static constexpr double tail[] = {
        1.2329951186255525433,     -0.1396211168405624874,      0.015379652102610161953,     0.06809705425468620783,
        -0.10103906603585293672,   0.093732834998651720952,     -0.066330365820503670622,    0.0371675155318431963,
        -0.016197733979924258371,  0.0050319700325486950117,    -0.00075777371418388841003,  -0.00019925700412184813999,
        0.0001506231178516206954,  -0.000024398117942079950952, -0.000011225140354449656911, 5.7072395736932574265e-6,
        2.9805960553227688556e-7,  -8.2180206548130447976e-7,   7.1119124280104234826e-8,    1.0683442926744586494e-7,
        -1.6357383982124767985e-8, -1.2544825403855518735e-8,   1.5712153638319063724e-9,    9.6554082254828637367e-10};
};
// e^{y²} erfc(y) for y ≥ 0.
template <class T>
inline Vec<T> scaled_erfc(Vec<T> y) {
    using S = ErfSeries<T>;
    y = minimum<T>(y, splat(T(60)));
    return polynomial<T>(S::tail, (y - S::kMiddle) / (y + S::kMiddle)) / (1 + 2 * y);
}
template <class T>
inline Vec<T> erf_of(Vec<T> x) {
    const Vec<T> y = abs<T>(x);
    const Vec<T> z = minimum<T>(y, splat(T(1)));
    const Vec<T> near = z * polynomial<T>(ErfSeries<T>::small, z * z);
    const Vec<T> far = 1 - gaussian_of<T>(y, T(1)) * scaled_erfc<T>(y);
    const Vec<T> value = y < splat(T(1)) ? near : far;
    return x == x ? flip<T>(value, sign_bits<T>(x)) : x;
}

}  // namespace
}  // namespace ntkcore::dense::NTKCORE_ISA
