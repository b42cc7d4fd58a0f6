// Smooth layers at moderate variances, on s = Σ and Θ themselves: where the dual of σ is analytic in ρ up to ±1,
// rounding errors of s stay what they are, and 1 − ρ needs no care.
//   Σ⁺ = σ_w² E[σσ'] + σ_b²,   Θ⁺ = Θ σ_w² ∂E[σσ']/∂s + Σ⁺
// The formulas are those of erf.hpp, gelu.hpp and sinusoid.hpp, with x̂ = arcsin z:
//   erf       E = (2a²/π) x̂ + c²                                        z = s g g',   g² = 2b²/(1 + 2b²q)
//   gelu      E = (1/2π) [s (π/2 + x̂) + g g' (qq' cos x̂ + z²/cos x̂)]    z = s g g',   g² = 1/(1 + q)
// (x̂ = z·P(c), c = cos x̂ = √(1−z²), where P(c) = arccos(c)/√(1−c²) is analytic but at c = −1: a short polynomial)
//   sinusoid  E = even·E₋ + odd·E₊                                       E∓ = exp(−½b²(q + q') ± b²s)
#pragma once

#include "affine.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

using Real = double;
using Lanes = Vec<Real>;

// Calls are passed by value: what a reference leads to would be read again after each store.
inline void store_state(SmoothCall call, std::size_t j, Lanes sigma, Lanes slope) {
    store(call.sigma + j, sigma);
    if (call.theta != nullptr) store(call.theta + j, load(call.theta + j) * slope + sigma);
}

// Σ c_k x^k of N vectors, which hide the latency.
template <class C, std::size_t n, std::size_t N>
inline void horner(const C (&c)[n], const Lanes (&x)[N], Lanes (&sum)[N]) {
    for (std::size_t v = 0; v < N; ++v) sum[v] = splat(c[n - 1]);
    for (std::size_t k = n - 1; k-- > 0;) {
        for (std::size_t v = 0; v < N; ++v) sum[v] = sum[v] * x[v] + c[k];
    }
}

// P in c − mid, for z² up to `most`: Chebyshev interpolation, relative error 1e-16.
template <int kRange>
struct ArccosineSeries;
template <>
struct ArccosineSeries<0> {
    static constexpr Real most = 0.12, mid = 0.96875;  // z² up to
    static constexpr Real c[] = {1.0105486434309811226,    -0.34183723359470997147,  0.13884288647226427974,
                                 -0.060433531749628292411, 0.027281358629759403452,  -0.012596075235954088063,
                                 0.0059079375035460851684, -0.0027975267039603682967};
};
template <>
struct ArccosineSeries<1> {
    static constexpr Real most = 0.3, mid = 0.921875;  // z² up to
    static constexpr Real c[] = {1.026883697547881468,      -0.35526367164097553098,  0.14771443317647917269,
                                 -0.065838211223356688106,  0.030438762600005458286,  -0.014394260213002001271,
                                 0.0069121310418892768816,  -0.003356074985624994086, 0.0016499364683147240438,
                                 -0.00082781282866352596014};
};
template <>
struct ArccosineSeries<2> {
    static constexpr Real most = 0.5, mid = 0.8515625;  // z² up to
    static constexpr Real c[] = {1.0526171079923457095,    -0.37705665318471974122,   0.16255778610339706742,
                                 -0.075161836774325571611, 0.036055667086824213192,   -0.017693454538799390672,
                                 0.008817472501204325997,  -0.0044433831048455049465, 0.0022578643786791538239,
                                 -0.00115524117276291271,  0.00060437015099921772662, -0.00030839472983058702005};
};
template <>
struct ArccosineSeries<3> {
    static constexpr Real most = 0.69, mid = 0.78125;  // z² up to
    static constexpr Real c[] = {1.0799596049486302733,     -0.40108349884986420871,   0.17954666444575537983,
                                 -0.086242562958544026534,  0.042988095624171932456,   -0.021922430796494318143,
                                 0.011354075771718659036,   -0.0059466589262334861964, 0.0031410394201543604348,
                                 -0.0016701411861151129084, 0.0008918317446086043142,  -0.00047833061918457772337,
                                 0.00027167902776834860182, -0.00015015021283845383204};
};
template <>
struct ArccosineSeries<4> {
    static constexpr Real most = 0.905, mid = 0.65625;  // z² up to
    static constexpr Real c[] = {1.1330801119511387023,      -0.45037764111292359654,    0.21639168966921849232,
                                 -0.11166228228192776643,    0.059818136711722065016,    -0.03279197849660771301,
                                 0.018259163689600171155,    -0.010282251276093929609,   0.0058397543525096312584,
                                 -0.0033387939508369947083,  0.0019191639116538364991,   -0.0011086486166391976749,
                                 0.00064259296647363275071,  -0.00036786866382595240319, 0.00021351338616402601177,
                                 -0.00015178986995568430774, 0.000090848752429474337966};
};
constexpr int kArccosineRanges = 5;

// formula(j, s, z, x̂, cos x̂, 1/cos x̂) for every vector of columns, of which N at once hide the latency.
template <int kRange, class Formula>
[[gnu::always_inline]] inline void arcsines(SmoothCall call, Formula formula) {
    using S = ArccosineSeries<kRange>;
    const Real g = call.row[0];
    const auto some = [=]<std::size_t N>(std::size_t first, std::integral_constant<std::size_t, N>) {
        Lanes s[N], z[N], t[N], sum[N];
        Root<Real> cos[N];
        for (std::size_t v = 0; v < N; ++v) {
            const std::size_t j = first + v * kLanes<Real>;
            s[v] = load(call.sigma + j);
            z[v] = s[v] * (g * load(call.columns + j));
            cos[v] = root<Real>(1 - z[v] * z[v]);
            t[v] = cos[v].value - S::mid;
        }
        horner(S::c, t, sum);
        for (std::size_t v = 0; v < N; ++v) {
            formula(first + v * kLanes<Real>, s[v], z[v], z[v] * sum[v], cos[v].inverse);
        }
    };
    constexpr std::size_t N = 2;
    std::size_t j = call.begin;
    for (; j + N * kLanes<Real> <= call.end; j += N * kLanes<Real>) some(j, std::integral_constant<std::size_t, N>{});
    for (; j < call.end; j += kLanes<Real>) some(j, std::integral_constant<std::size_t, 1>{});
}
template <class Formula, int kRange = 0>
inline void arcsines_up_to(Real most, SmoothCall call, Formula formula) {
    if constexpr (kRange + 1 < kArccosineRanges) {
        if (most > ArccosineSeries<kRange>::most) return arcsines_up_to<Formula, kRange + 1>(most, call, formula);
    }
    arcsines<kRange>(call, formula);
}
// z² ≤ uu', u = g²q
inline Real most_square(const SmoothCall& call) {
    return 1.0001 * (call.row[0] * call.row[0] * call.row[call.row_stride] * call.most);
}

inline void smooth_erf(SmoothCall call) {
    const Real g = call.weight * call.row[0];
    arcsines_up_to(most_square(call), call, [=](std::size_t j, Lanes, Lanes, Lanes x, Lanes inverse_cos) {
        store_state(call, j, call.weight * x + call.bias, (g * load(call.columns + j)) * inverse_cos);
    });
}

inline void smooth_gelu(SmoothCall call) {
    const Real g = call.row[0];
    const Real q = call.row[call.row_stride];
    arcsines_up_to(most_square(call), call, [=](std::size_t j, Lanes s, Lanes z, Lanes x, Lanes inverse_cos) {
        const Lanes gg = g * load(call.columns + j);
        const Lanes qq = q * load(call.columns + call.stride + j);
        const Lanes angle = x + Real(1.5707963267948966192);
        const Lanes rest = (gg * inverse_cos) * ((1 - qq) * (z * z) + qq);
        const Lanes slope = angle + (z * inverse_cos) * ((gg * gg) * (inverse_cos * inverse_cos + (1 - qq)) + 1);
        store_state(call, j, call.weight * (s * angle + rest) + call.bias, call.weight * slope);
    });
}

template <bool kFar>
inline void smooth_sinusoid(SmoothCall call) {
    const Real c = call.row[0];
    const Real a = call.far_weight * call.row[call.row_stride];
    const auto some = [=]<std::size_t N>(std::size_t first, std::integral_constant<std::size_t, N>) {
        Lanes h[N], f[N] = {};
        Decay<Real> near[N];
        for (std::size_t v = 0; v < N; ++v) {
            const std::size_t j = first + v * kLanes<Real>;
            h[v] = (c + load(call.columns + j)) - call.square * load(call.sigma + j);
        }
        decays<Real, N>(h, near);
        for (std::size_t v = 0; v < N && kFar; ++v) {
            f[v] = (a * load(call.columns + call.stride + first + v * kLanes<Real>)) / near[v].value;
        }
        for (std::size_t v = 0; v < N; ++v) {
            const std::size_t j = first + v * kLanes<Real>;
            const Lanes e = call.weight * near[v].value;
            if constexpr (kFar) {
                store_state(call, j, (e + f[v]) + call.bias, call.square * (e - f[v]));
            } else {
                store_state(call, j, e + call.bias, call.square * e);
            }
        }
    };
    constexpr std::size_t N = 4;
    std::size_t j = call.begin;
    for (; j + N * kLanes<Real> <= call.end; j += N * kLanes<Real>) some(j, std::integral_constant<std::size_t, N>{});
    for (; j < call.end; j += kLanes<Real>) some(j, std::integral_constant<std::size_t, 1>{});
}

// e^x for |x| ≤ `most`: Chebyshev interpolation, relative error 1e-16.
template <int kRange>
struct ExponentialSeries;
template <>
struct ExponentialSeries<0> {
    static constexpr Real most = 0.52, growth = 1.6820276496988863763;  // e^most
    static constexpr Real c[] = {1.0,
                                 0.99999999999999979994,
                                 0.49999999999999998572,
                                 0.166666666666687382,
                                 0.041666666666668145568,
                                 0.0083333333327205241739,
                                 0.0013888888888451388097,
                                 0.00019841270618122475938,
                                 0.000024801587856217951372,
                                 2.7556840584607352312e-6,
                                 2.7556977484499626028e-7,
                                 2.5193599274444612404e-8,
                                 2.0977789367467071077e-9};
};
template <>
struct ExponentialSeries<1> {
    static constexpr Real most = 1.05, growth = 2.8576511180631641;
    static constexpr Real c[] = {
        0.99999999999999999677,     0.99999999999999999981,    0.500000000000000375,      0.16666666666666668869,
        0.041666666666659524763,    0.0083333333333329138499,  0.0013888888889406978197,  0.00019841269841574152594,
        0.000024801587117060893739, 2.7557319115594891407e-6,  2.7557354902304063557e-7,  2.505212934461449459e-8,
        2.0872937655789226846e-9,   1.6056799856758386452e-10, 1.1683333822098993948e-11, 7.7721028649594583218e-13};
};
constexpr int kExponentialRanges = 2;

// E₋ alone where y = b²s stays in an interval of length 2·most, y₀ its middle: E₋ = e^{y₀} K K' e^{y − y₀}.
template <int kRange>
inline void smooth_exponential(SmoothCall call, Real middle, Real growth) {
    const Real k = call.weight * growth * call.row[2 * call.row_stride];
    const auto some = [=]<std::size_t N>(std::size_t first, std::integral_constant<std::size_t, N>) {
        Lanes x[N], sum[N];
        for (std::size_t v = 0; v < N; ++v) {
            x[v] = call.square * load(call.sigma + first + v * kLanes<Real>) - middle;
        }
        horner(ExponentialSeries<kRange>::c, x, sum);
        for (std::size_t v = 0; v < N; ++v) {
            const std::size_t j = first + v * kLanes<Real>;
            const Lanes e = (k * load(call.columns + 2 * call.stride + j)) * sum[v];
            store_state(call, j, e + call.bias, call.square * e);
        }
    };
    constexpr std::size_t N = 4;
    std::size_t j = call.begin;
    for (; j + N * kLanes<Real> <= call.end; j += N * kLanes<Real>) some(j, std::integral_constant<std::size_t, N>{});
    for (; j < call.end; j += kLanes<Real>) some(j, std::integral_constant<std::size_t, 1>{});
}
// |y| ≤ √(b²q·b²q'), and y ≥ 0 where the layer in front is never negative.
template <int kRange = 0>
inline void smooth_decay(const SmoothCall& call) {
    if constexpr (kRange < kExponentialRanges) {
        constexpr Real most = ExponentialSeries<kRange>::most;
        const Real middle = call.nonnegative ? most : Real(0);
        const Real end = middle + most;
        if (2 * call.row[0] * call.most > end * end) return smooth_decay<kRange + 1>(call);
        smooth_exponential<kRange>(call, middle, call.nonnegative ? ExponentialSeries<kRange>::growth : Real(1));
    } else {
        smooth_sinusoid<false>(call);
    }
}

// cosh y and sinh(y)/y in y², for |y| ≤ `most`: Chebyshev interpolation, relative error 1e-16.
template <int kRange>
struct HyperbolicSeries;
template <>
struct HyperbolicSeries<0> {
    static constexpr Real most = 0.55;
    static constexpr Real cosh[] = {1.0,
                                    0.49999999999999989439,
                                    0.041666666666672252091,
                                    0.0013888888887781181505,
                                    0.000024801588347586521757,
                                    2.7556812284732220617e-7,
                                    2.0998529327181852099e-9};
    static constexpr Real sinh[] = {0.99999999999999993966,   0.16666666666668102874,   0.0083333333327794815065,
                                    0.0001984127062229317848, 2.7556821490623331442e-6, 2.5198238487381074347e-8};
};
template <>
struct HyperbolicSeries<1> {
    static constexpr Real most = 1.0;
    static constexpr Real cosh[] = {1.0,
                                    0.50000000000000018915,
                                    0.041666666666662695046,
                                    0.0013888888889206538393,
                                    0.000024801587176849115133,
                                    2.7557345816222871174e-7,
                                    2.0873618133610956086e-9,
                                    1.1663415733426011087e-11};
    static constexpr Real sinh[] = {1.0,
                                    0.16666666666666667778,
                                    0.0083333333333331000257,
                                    0.00019841269841456445244,
                                    2.755731915070489191e-6,
                                    2.5052124008953334194e-8,
                                    1.6057199454179518447e-10,
                                    7.7604064183362387988e-13};
};
template <>
struct HyperbolicSeries<2> {
    static constexpr Real most = 2.5;
    static constexpr Real cosh[] = {1.0,
                                    0.50000000000000244099,
                                    0.041666666666653782621,
                                    0.001388888888915258532,
                                    0.000024801587274190647867,
                                    2.7557320857984885097e-7,
                                    2.0876697706389253218e-9,
                                    1.1472074930678771052e-11,
                                    4.7615106664197878607e-14,
                                    1.6954890361328875351e-16};
    static constexpr Real sinh[] = {1.0,
                                    0.16666666666666678223,
                                    0.0083333333333327233671,
                                    0.00019841269841394689291,
                                    2.7557319211013719536e-6,
                                    2.505210915923283433e-8,
                                    1.6059015758138811929e-10,
                                    7.6477935662939069361e-13,
                                    2.8029401439429076751e-15,
                                    8.8545103069058126623e-18};
};
constexpr int kHyperbolicRanges = 3;

// sin bx (kOdd) and cos bx where y = b²s is small: E = K sinh y and K cosh y, K = exp(−½b²(q + q')).
template <int kRange, bool kOdd>
inline void smooth_hyperbolic(SmoothCall call) {
    const Real k = 2 * call.weight * call.row[2 * call.row_stride];
    const auto some = [=]<std::size_t N>(std::size_t first, std::integral_constant<std::size_t, N>) {
        Lanes y[N], y2[N], cosh[N], sinh[N];
        for (std::size_t v = 0; v < N; ++v) {
            y[v] = call.square * load(call.sigma + first + v * kLanes<Real>);
            y2[v] = y[v] * y[v];
        }
        horner(HyperbolicSeries<kRange>::cosh, y2, cosh);
        horner(HyperbolicSeries<kRange>::sinh, y2, sinh);
        for (std::size_t v = 0; v < N; ++v) {
            const std::size_t j = first + v * kLanes<Real>;
            const Lanes kk = k * load(call.columns + 2 * call.stride + j);
            const Lanes odd = (kk * y[v]) * sinh[v];
            const Lanes even = kk * cosh[v];
            store_state(call, j, (kOdd ? odd : even) + call.bias, call.square * (kOdd ? even : odd));
        }
    };
    constexpr std::size_t N = 2;
    std::size_t j = call.begin;
    for (; j + N * kLanes<Real> <= call.end; j += N * kLanes<Real>) some(j, std::integral_constant<std::size_t, N>{});
    for (; j < call.end; j += kLanes<Real>) some(j, std::integral_constant<std::size_t, 1>{});
}
template <bool kOdd, int kRange = 0>
inline void smooth_wave(const SmoothCall& call) {
    if constexpr (kRange < kHyperbolicRanges) {
        constexpr Real most = HyperbolicSeries<kRange>::most;
        const bool suits = 2 * call.row[0] * call.most <= most * most;  // y² ≤ b²q·b²q'
        return suits ? smooth_hyperbolic<kRange, kOdd>(call) : smooth_wave<kOdd, kRange + 1>(call);
    } else {
        smooth_sinusoid<true>(call);
    }
}

// Σ¹ = Θ¹ from the features: where the duals are analytic, an inner product is accurate enough for close samples too.
template <std::size_t N>
[[gnu::always_inline]] inline void smooth_products(const SmoothStart& call, const Real* x, std::size_t j) {
    Lanes sum[N] = {};
    for (std::size_t k = 0; k < call.features; ++k) {
        const Lanes a = splat(x[k * kPanel]);
        const Real* b = call.col_panel + k * kPanel + j;
#pragma GCC unroll 8
        for (std::size_t v = 0; v < N; ++v) sum[v] += a * load(b + v * kLanes<Real>);
    }
#pragma GCC unroll 8
    for (std::size_t v = 0; v < N; ++v) {
        const std::size_t at = j + v * kLanes<Real>;
        const Lanes sigma = sum[v] * (call.scale_row * load(call.scale + at));
        store(call.sigma + at, sigma);
        if (call.theta != nullptr) store(call.theta + at, sigma);
    }
}
inline void start_smooth(const SmoothStart& by_reference) {
    const SmoothStart call = by_reference;
    constexpr std::size_t kMany = 8, kStep = kColumnStep / kLanes<Real>;
    const Real* x = call.row_panel + call.row;
    std::size_t j = call.begin;
    for (; j + kMany * kLanes<Real> <= call.end; j += kMany * kLanes<Real>) smooth_products<kMany>(call, x, j);
    for (; j < call.end; j += kColumnStep) smooth_products<kStep>(call, x, j);
}

// Σ¹ = Θ¹ from the signed versines.
inline void smooth_start(SmoothCall call) {
    for (std::size_t j = call.begin; j < call.end; j += kLanes<Real>) {
        const Lanes u = load(call.sigma + j);
        const Lanes rho = flip<Real>(1 - abs<Real>(u), sign_bits<Real>(u));
        const Lanes sigma = rho * (call.row[0] * load(call.columns + j));
        store(call.sigma + j, sigma);
        if (call.theta != nullptr) store(call.theta + j, sigma);
    }
}

inline void smooth(const SmoothCall& call) {
    switch (call.kind) {
        case SmoothKind::start:
            return smooth_start(call);
        case SmoothKind::erf:
            return smooth_erf(call);
        case SmoothKind::gelu:
            return smooth_gelu(call);
        case SmoothKind::sinusoid:
            if (call.far_weight == 0) return smooth_decay(call);
            if (call.far_weight == -call.weight) return smooth_wave<true>(call);
            if (call.far_weight == call.weight) return smooth_wave<false>(call);
            return smooth_sinusoid<true>(call);
    }
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
