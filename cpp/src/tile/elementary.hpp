// Elementary functions of whole vectors: polynomials (minimax for the relative error, by the Remez algorithm) and
// arithmetic on exponent bits.
#pragma once

#include "kernels.hpp"
#include "simd.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

// Σ c_k t^k, by halves (Estrin): as many operations as Horner's scheme and a few squares, but a short chain of them.
// The long formulas of this folder are bound by latency.
template <class T, class C, std::size_t first, std::size_t count>
inline Vec<T> partial_polynomial(const C* c, const Vec<T>* powers) {
    if constexpr (count == 1) {
        return splat(static_cast<T>(c[first]));
    } else {
        constexpr std::size_t half = count > 16 ? 16 : count > 8 ? 8 : count > 4 ? 4 : count > 2 ? 2 : 1;
        constexpr std::size_t level = half == 16 ? 4 : half == 8 ? 3 : half == 4 ? 2 : half == 2 ? 1 : 0;
        const Vec<T> low = partial_polynomial<T, C, first, half>(c, powers);
        if constexpr (count - half == 1) {
            return powers[level] * static_cast<T>(c[first + half]) + low;
        } else {
            return partial_polynomial<T, C, first + half, count - half>(c, powers) * powers[level] + low;
        }
    }
}
template <class T, class C, std::size_t n>
inline Vec<T> polynomial(const C (&c)[n], Vec<T> t) {
    static_assert(n <= 32);
    Vec<T> powers[5] = {t};
    for (std::size_t k = 1; k < 5; ++k) powers[k] = powers[k - 1] * powers[k - 1];
    return partial_polynomial<T, C, 0, n>(c, powers);
}
template <class T>
inline Vec<T> minimum(Vec<T> a, Vec<T> b) {
    return a < b ? a : b;
}
template <class T>
inline Vec<T> maximum(Vec<T> a, Vec<T> b) {
    return a > b ? a : b;
}

// e^{−h}, and 1 − e^{−h} without cancellation.
template <class T>
struct Decay {
    Vec<T> value, complement;
};

// 2^f − 1 over f, for |f| ≤ ½ and for |f| ≤ 1/32.
template <class T>
struct ExpSeries;
template <>
struct ExpSeries<float> {
    static constexpr int kMantissa = 23;
    static constexpr std::int32_t kBias = 127;
    static constexpr float kLargest = 87.0F;
    static constexpr float wide[] = {0.693147187936F,   0.240226497934F,   0.055503573847F,
                                     0.00961823759542F, 0.00133907611014F, 0.000154035157464F};
    static constexpr float narrow[] = {0.693147180399F, 0.240226507052F, 0.0555054191188F, 0.00961812910827F};
};
template <>
struct ExpSeries<double> {
    static constexpr int kMantissa = 52;
    static constexpr std::int64_t kBias = 1023;
    static constexpr double kLargest = 708.0;
    static constexpr double wide[] = {0.6931471805599453112,      0.24022650695910097885,   0.05550410866482123657,
                                      0.0096181291076070666678,   0.0013333558146531633681, 0.00015403530441479954923,
                                      0.000015252733701211454754, 1.3215442724403467056e-6, 1.0178121300256280716e-7,
                                      7.072561696615049162e-9,    4.4455371754437685607e-10};
    static constexpr double narrow[] = {0.6931471805599457534,    0.24022650695910017376, 0.055504108656638381888,
                                        0.0096181291092828578698, 0.00133337815897493247, 0.00015403530394433009471};
};

#if defined(__AVX512F__)
// 2^{i/16} for i = 0 … 15: a table that fits into one or two registers.
constexpr double kSixteenths[] = {1.0,
                                  1.0442737824274138403,
                                  1.0905077326652576592,
                                  1.1387886347566916537,
                                  1.1892071150027210667,
                                  1.2418578120734840486,
                                  1.2968395546510096659,
                                  1.3542555469368927283,
                                  1.4142135623730950488,
                                  1.4768261459394993114,
                                  1.5422108254079408236,
                                  1.6104903319492543082,
                                  1.6817928305074290861,
                                  1.7562521603732994831,
                                  1.8340080864093424635,
                                  1.9152065613971472939};
inline Vec<double> sixteenth(Bits<double> i) {
    return (Vec<double>)_mm512_permutex2var_pd((__m512d)load(kSixteenths), (__m512i)i, (__m512d)load(kSixteenths + 8));
}
inline Vec<float> sixteenth(Bits<float> i) {
    Vec<float> table;
    for (std::size_t l = 0; l < 16; ++l) table[l] = static_cast<float>(kSixteenths[l]);
    return (Vec<float>)_mm512_permutexvar_ps((__m512i)i, (__m512)table);
}
#endif

// For h ≥ 0: e^{−h} = 2^k 2^f with k a multiple of 1/16 (AVX-512) or of 1. The rounding of −h/ln 2 to k + f has a
// relative error ε: absolutely ε h e^{−h} in the value, and ε relatively in 1 − e^{−h}.
template <class T>
inline Decay<T> decay(Vec<T> h) {
    using S = ExpSeries<T>;
    constexpr T kLog2e = T(1.4426950408889634074);
#if defined(__AVX512F__)
    constexpr int kParts = 4;  // 2⁴ table entries
#else
    constexpr int kParts = 0;
#endif
    // Adding this rounds to a multiple of 2^{−kParts}, and leaves the multiple in the low bits.
    constexpr T kRound = T(3) * T(std::int64_t{1} << (S::kMantissa - 1 - kParts));
    h = minimum<T>(h, splat(S::kLargest));
    const Vec<T> shifted = kRound - h * kLog2e;
    const Vec<T> k = shifted - kRound;
    const Vec<T> f = -(h * kLog2e + k);
    const Bits<T> whole = reinterpret_cast<Bits<T>>(shifted);
    Vec<T> scale, rest;  // 2^k, 2^f − 1
#if defined(__AVX512F__)
    scale = reinterpret_cast<Vec<T>>(reinterpret_cast<Bits<T>>(sixteenth(whole)) + ((whole >> kParts) << S::kMantissa));
    rest = f * polynomial<T>(S::narrow, f);
#else
    scale = reinterpret_cast<Vec<T>>((whole + S::kBias) << S::kMantissa);
    rest = f * polynomial<T>(S::wide, f);
#endif
    return {scale + scale * rest, (1 - scale) - scale * rest};
}

// (atan t − t)/t³ in z = t², on [0, 1], [0, 0.3] and [0, 0.06].
template <class T>
struct AtanSeries;
template <>
struct AtanSeries<float> {
    static constexpr float wide[] = {-3.333333e-01F, 1.999972e-01F,   -1.4278187e-01F, 1.10308364e-01F, -8.6457595e-02F,
                                     6.2270883e-02F, -3.5604946e-02F, 1.3346869e-02F,  -2.347436e-03F};
    static constexpr float middle[] = {-0.333333322193F, 0.199997284925F,   -0.142748701678F,
                                       0.109498727582F,  -0.0796980892842F, 0.0379625710996F};
    static constexpr float narrow[] = {-0.333333325059F, 0.199995566272F, -0.142483810935F, 0.100927882165F};
};
template <>
struct AtanSeries<double> {
    static constexpr double wide[] = {
        -3.333333333333333e-01,  1.9999999999997348e-01, -1.4285714285362505e-01, 1.1111111092487058e-01,
        -9.09090856621573e-02,   7.692298600243705e-02,  -6.666560992445847e-02,  5.881480837263351e-02,
        -5.2578399657658224e-02, 4.737238961916419e-02,  -4.2588708381605535e-02, 3.746168853591217e-02,
        -3.1220115534651042e-02, 2.362129013411916e-02,  -1.5459238677515167e-02, 8.3118505284538e-03,
        -3.464842837581245e-03,  1.038073371734008e-03,  -1.9734568958538272e-04, 1.7788460321116734e-05};
    static constexpr double middle[] = {-0.3333333333333328398,   0.1999999999995222795,    -0.1428571427804072664,
                                        0.11111110626855082709,   -0.090908932382343372808, 0.076919997958356963745,
                                        -0.066628453952758313597, 0.058507549515939982601,  -0.05085426140079975847,
                                        0.040785773306610108499,  -0.025658122041536404467, 0.0088641101854247941126};
    static constexpr double narrow[] = {-0.33333333333333311713,  0.19999999999953760379,  -0.14285714269469157804,
                                        0.11111108933188246937,   -0.09090765332615302487, 0.076871319495601077892,
                                        -0.065625288077964298045, 0.047674930321348709463};
};

// (atan t − t)/t³ for 0 ≤ t ≤ 1 and z = t².
template <class T>
inline Vec<T> atan_series(Vec<T> z) {
    if (!any<T>(z > splat(T(0.06)))) return polynomial<T>(AtanSeries<T>::narrow, z);
    if (!any<T>(z > splat(T(0.3)))) return polynomial<T>(AtanSeries<T>::middle, z);
    return polynomial<T>(AtanSeries<T>::wide, z);
}

// (sinh s − s)/s³ in z = s² on [0, 1].
template <class T>
inline Vec<T> sinh_series(Vec<T> z) {
    constexpr T c[] = {T(1.6666666666666666e-01), T(8.333333333333333e-03),  T(1.9841269841269773e-04),
                       T(2.7557319224039772e-06), T(2.5052108364219856e-08), T(1.6059048372602636e-10),
                       T(7.646627089683781e-13),  T(2.844477022887739e-15)};
    return polynomial<T>(c, z);
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
