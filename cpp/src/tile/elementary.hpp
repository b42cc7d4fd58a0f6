// Elementary functions of whole vectors: polynomials (minimax for the relative error, by the Remez algorithm) and
// arithmetic on exponent bits.
#pragma once

#include <type_traits>

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
// relative error ε: absolutely ε h e^{−h} in the value, and ε relatively in 1 − e^{−h}. N vectors at once hide the
// latency.
template <class T, std::size_t N>
inline void decays(const Vec<T> (&h)[N], Decay<T> (&out)[N]) {
    using S = ExpSeries<T>;
    constexpr T kLog2e = T(1.4426950408889634074);
#if defined(__AVX512F__)
    constexpr int kParts = 4;  // 2⁴ table entries
    constexpr auto& c = S::narrow;
#else
    constexpr int kParts = 0;
    constexpr auto& c = S::wide;
#endif
    // Adding this rounds to a multiple of 2^{−kParts}, and leaves the multiple in the low bits.
    constexpr T kRound = T(3) * T(std::int64_t{1} << (S::kMantissa - 1 - kParts));
    Vec<T> f[N], scale[N], rest[N];  // 2^k, 2^f − 1
    for (std::size_t v = 0; v < N; ++v) {
        const Vec<T> size = minimum<T>(h[v], splat(S::kLargest));
        const Vec<T> shifted = kRound - size * kLog2e;
        const Vec<T> k = shifted - kRound;
        f[v] = -(size * kLog2e + k);
        const Bits<T> whole = reinterpret_cast<Bits<T>>(shifted);
#if defined(__AVX512F__)
        scale[v] =
            reinterpret_cast<Vec<T>>(reinterpret_cast<Bits<T>>(sixteenth(whole)) + ((whole >> kParts) << S::kMantissa));
#else
        scale[v] = reinterpret_cast<Vec<T>>((whole + S::kBias) << S::kMantissa);
#endif
    }
    if constexpr (N == 1) {
        rest[0] = f[0] * polynomial<T>(c, f[0]);
    } else {
        constexpr std::size_t n = sizeof(c) / sizeof(c[0]);
        for (std::size_t v = 0; v < N; ++v) rest[v] = splat(c[n - 1]);
        for (std::size_t k = n - 1; k-- > 0;) {
            for (std::size_t v = 0; v < N; ++v) rest[v] = rest[v] * f[v] + c[k];
        }
        for (std::size_t v = 0; v < N; ++v) rest[v] = rest[v] * f[v];
    }
    for (std::size_t v = 0; v < N; ++v) {
        out[v] = {scale[v] + scale[v] * rest[v], (1 - scale[v]) - scale[v] * rest[v]};
    }
}
template <class T>
inline Decay<T> decay(Vec<T> h) {
    Decay<T> out[1];
    decays<T, 1>({h}, out);
    return out[0];
}
// e^{−h} and 1 − e^{−h} of the columns [begin, end) into two rows; h(j) gives one vector.
template <class T, class H>
inline void decay_row(std::size_t begin, std::size_t end, H h, T* value, T* complement) {
    const auto some = [&]<std::size_t N>(std::size_t j, std::integral_constant<std::size_t, N>) {
        Vec<T> x[N];
        Decay<T> e[N];
        for (std::size_t v = 0; v < N; ++v) x[v] = h(j + v * kLanes<T>);
        decays<T, N>(x, e);
        for (std::size_t v = 0; v < N; ++v) {
            store(value + j + v * kLanes<T>, e[v].value);
            store(complement + j + v * kLanes<T>, e[v].complement);
        }
    };
    constexpr std::size_t N = 2;
    std::size_t j = begin;
    for (; j + N * kLanes<T> <= end; j += N * kLanes<T>) some(j, std::integral_constant<std::size_t, N>{});
    for (; j < end; j += kLanes<T>) some(j, std::integral_constant<std::size_t, 1>{});
}

// (atan t − t)/t³ in z = t², up to z = 0.06, 0.12, 0.24, 0.5 and 1.
template <class T>
struct AtanSeries;
template <>
struct AtanSeries<float> {
    static constexpr float to_06[] = {-0.333333325F, 0.1999955488F, -0.14248303841F, 0.10091932437F};
    static constexpr float to_12[] = {-0.33333321217F, 0.1999675878F, -0.14148358721F, 0.092003656774F};
    static constexpr float to_24[] = {-0.33333325939F, 0.19998453122F, -0.1423303427F, 0.10466732505F, -0.05683640879F};
    static constexpr float to_50[] = {-0.3333333187F,   0.19999711811F,  -0.14276279514F, 0.10992623222F,
                                      -0.083568323601F, 0.051972869466F, -0.017725439275F};
    static constexpr float wide[] = {-3.333333e-01F, 1.999972e-01F,   -1.4278187e-01F, 1.10308364e-01F, -8.6457595e-02F,
                                     6.2270883e-02F, -3.5604946e-02F, 1.3346869e-02F,  -2.347436e-03F};
};
template <>
struct AtanSeries<double> {
    static constexpr double to_06[] = {-0.3333333333333331152,  0.1999999999995345072,   -0.1428571426938689684,
                                       0.1111110892498646816,   -0.09090764942976394049, 0.07687122443425369273,
                                       -0.06562413766950387369, 0.04766945962331623355};
    static constexpr double to_12[] = {-0.3333333333333333031,  0.1999999999999495735,   -0.1428571428432369702,
                                       0.1111111096199981032,   -0.09090900946387358604, 0.07692051092507183136,
                                       -0.06661712952028772409, 0.05822502287263866686,  -0.04816493398781256657,
                                       0.02815690604859898202};
    static constexpr double to_24[] = {-0.3333333333333332865,  0.1999999999999437824,   -0.1428571428459339998,
                                       0.111111110232983711,    -0.0909090552312372756,  0.07692221746703716403,
                                       -0.06665345371540066133, 0.05868848759088654635,  -0.05169633285373269444,
                                       0.04322250222820411382,  -0.02964951864157154051, 0.01169280137027159766};
    static constexpr double to_50[] = {-0.3333333333333332495, 0.1999999999999244558,   -0.1428571428458027636,
                                       0.1111111104363721306,  -0.09090906978535953751, 0.07692267647280141152,
                                       -0.0666616778866803586, 0.05878053199468966233,  -0.05236650107041211014,
                                       0.04642470584507926639, -0.03949219451819115578, 0.03006153651468826041,
                                       -0.0183771288630029696, 0.007676375778098429393, -0.001588330757603570744};
    static constexpr double wide[] = {
        -3.333333333333333e-01,  1.9999999999997348e-01, -1.4285714285362505e-01, 1.1111111092487058e-01,
        -9.09090856621573e-02,   7.692298600243705e-02,  -6.666560992445847e-02,  5.881480837263351e-02,
        -5.2578399657658224e-02, 4.737238961916419e-02,  -4.2588708381605535e-02, 3.746168853591217e-02,
        -3.1220115534651042e-02, 2.362129013411916e-02,  -1.5459238677515167e-02, 8.3118505284538e-03,
        -3.464842837581245e-03,  1.038073371734008e-03,  -1.9734568958538272e-04, 1.7788460321116734e-05};
};

// The number of the shortest series for z up to the given one.
template <class T>
inline int atan_range(T z) {
    return z <= T(0.06) ? 0 : z <= T(0.12) ? 1 : z <= T(0.24) ? 2 : z <= T(0.5) ? 3 : 4;
}
// t ← atan t for N vectors at once: Horner's scheme has the fewest operations, and the vectors hide its latency.
template <class T, std::size_t N, std::size_t n>
inline void arctangents_with(const T (&c)[n], T* t) {
    Vec<T> x[N], z[N], sum[N];
    for (std::size_t v = 0; v < N; ++v) {
        x[v] = load(t + v * kLanes<T>);
        z[v] = x[v] * x[v];
        sum[v] = splat(c[n - 1]);
    }
    for (std::size_t k = n - 1; k-- > 0;) {
        for (std::size_t v = 0; v < N; ++v) sum[v] = sum[v] * z[v] + c[k];
    }
    for (std::size_t v = 0; v < N; ++v) store(t + v * kLanes<T>, x[v] + (x[v] * z[v]) * sum[v]);
}
template <class T, std::size_t n>
inline void arctangents_with(const T (&c)[n], std::size_t begin, std::size_t end, T* t) {
    constexpr std::size_t N = 2;
    std::size_t j = begin;
    for (; j + N * kLanes<T> <= end; j += N * kLanes<T>) arctangents_with<T, N>(c, t + j);
    for (; j < end; j += kLanes<T>) arctangents_with<T, 1>(c, t + j);
}
// t ← atan t in the columns [begin, end), |t| ≤ 1 with t² within the range.
template <class T>
void arctangents(int range, std::size_t begin, std::size_t end, T* t) {
    using S = AtanSeries<T>;
    if (range == 0) return arctangents_with<T>(S::to_06, begin, end, t);
    if (range == 1) return arctangents_with<T>(S::to_12, begin, end, t);
    if (range == 2) return arctangents_with<T>(S::to_24, begin, end, t);
    if (range == 3) return arctangents_with<T>(S::to_50, begin, end, t);
    return arctangents_with<T>(S::wide, begin, end, t);
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
