// Smooth layers at moderate variances, on s = Σ and Θ themselves: where the dual of σ is analytic in ρ up to ±1,
// rounding errors of s stay what they are, and 1 − ρ needs no care.
//   Σ⁺ = σ_w² E[σσ'] + σ_b²,   Θ⁺ = Θ σ_w² ∂E[σσ']/∂s + Σ⁺
// The formulas are those of erf.hpp, gelu.hpp and sinusoid.hpp, with x̂ = arcsin z:
//   erf       E = (2a²/π) x̂ + c²                                        z = s g g',   g² = 2b²/(1 + 2b²q)
//   gelu      E = (1/2π) [s (π/2 + x̂) + g g' (qq' cos x̂ + z²/cos x̂)]    z = s g g',   g² = 1/(1 + q)
// (x̂ = z·P(c), c = cos x̂ = √(1−z²), where P(c) = arccos(c)/√(1−c²) is analytic but at c = −1: a short polynomial)
//   sinusoid  E = even·E₋ + odd·E₊                                       E∓ = exp(−½b²(q + q') ± b²s)
// In float rounding errors matter more: sinusoids with both parts take hyperbolic functions, which do not cancel, Σ¹ of
// close samples comes from differences, and at the end the errors of rounded tables are taken off.
#pragma once

#include "affine.hpp"
#include "smooth_series.hpp"
#include "start.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

// Calls are passed by value: what a reference leads to would be read again after each store.
template <class T>
inline void store_state(SmoothCall<T> call, std::size_t j, Vec<T> sigma, Vec<T> slope) {
    store(call.sigma + j, sigma);
    if (call.theta != nullptr) store(call.theta + j, load(call.theta + j) * slope + sigma);
}

// Σ c_k x^k of N vectors, which hide the latency.
template <class T, class C, std::size_t n, std::size_t N>
inline void horner(const C (&c)[n], const Vec<T> (&x)[N], Vec<T> (&sum)[N]) {
    for (std::size_t v = 0; v < N; ++v) sum[v] = splat<T>(c[n - 1]);
    for (std::size_t k = n - 1; k-- > 0;) {
        for (std::size_t v = 0; v < N; ++v) sum[v] = sum[v] * x[v] + c[k];
    }
}

// formula(j, s, z, x̂, cos x̂, 1/cos x̂) for every vector of columns, of which N at once hide the latency.
template <class T, int kRange, class Formula>
[[gnu::always_inline]] inline void arcsines(SmoothCall<T> call, Formula formula) {
    using S = ArccosineSeries<T, kRange>;
    const T g = call.row[0];
    const auto some = [=]<std::size_t N>(std::size_t first, std::integral_constant<std::size_t, N>) {
        Vec<T> s[N], z[N], t[N], sum[N];
        Root<T> cos[N];
        for (std::size_t v = 0; v < N; ++v) {
            const std::size_t j = first + v * kLanes<T>;
            s[v] = load(call.sigma + j);
            z[v] = s[v] * (g * load(call.columns + j));
            cos[v] = root<T>(1 - z[v] * z[v]);
            t[v] = cos[v].value - S::mid;
        }
        horner<T>(S::c, t, sum);
        for (std::size_t v = 0; v < N; ++v) {
            formula(first + v * kLanes<T>, s[v], z[v], z[v] * sum[v], cos[v].inverse);
        }
    };
    constexpr std::size_t N = 2;
    std::size_t j = call.begin;
    for (; j + N * kLanes<T> <= call.end; j += N * kLanes<T>) some(j, std::integral_constant<std::size_t, N>{});
    for (; j < call.end; j += kLanes<T>) some(j, std::integral_constant<std::size_t, 1>{});
}
template <class T, class Formula, int kRange = 0>
inline void arcsines_up_to(T most, SmoothCall<T> call, Formula formula) {
    if constexpr (kRange + 1 < kArccosineRanges<T>) {
        if (most > ArccosineSeries<T, kRange>::most) return arcsines_up_to<T, Formula, kRange + 1>(most, call, formula);
    }
    arcsines<T, kRange>(call, formula);
}
// z² ≤ uu', u = g²q
template <class T>
inline T most_square(const SmoothCall<T>& call) {
    return T(1.0001) * (call.row[0] * call.row[0] * call.row[call.row_stride] * call.most);
}

template <class T>
inline void smooth_erf(SmoothCall<T> call) {
    const T g = call.weight * call.row[0];
    arcsines_up_to<T>(most_square(call), call, [=](std::size_t j, Vec<T>, Vec<T>, Vec<T> x, Vec<T> inverse_cos) {
        store_state<T>(call, j, call.weight * x + call.bias, (g * load(call.columns + j)) * inverse_cos);
    });
}

template <class T>
inline void smooth_gelu(SmoothCall<T> call) {
    const T g = call.row[0];
    const T q = call.row[call.row_stride];
    arcsines_up_to<T>(most_square(call), call, [=](std::size_t j, Vec<T> s, Vec<T> z, Vec<T> x, Vec<T> inverse_cos) {
        const Vec<T> gg = g * load(call.columns + j);
        const Vec<T> qq = q * load(call.columns + call.stride + j);
        const Vec<T> angle = x + T(1.5707963267948966192);
        const Vec<T> rest = (gg * inverse_cos) * ((1 - qq) * (z * z) + qq);
        const Vec<T> slope = angle + (z * inverse_cos) * ((gg * gg) * (inverse_cos * inverse_cos + (1 - qq)) + 1);
        store_state<T>(call, j, call.weight * (s * angle + rest) + call.bias, call.weight * slope);
    });
}

template <class T, bool kFar>
inline void smooth_sinusoid(SmoothCall<T> call) {
    const T c = call.row[0];
    const T a = call.far_weight * call.row[call.row_stride];
    const auto some = [=]<std::size_t N>(std::size_t first, std::integral_constant<std::size_t, N>) {
        Vec<T> h[N], f[N] = {};
        Decay<T> near[N];
        for (std::size_t v = 0; v < N; ++v) {
            const std::size_t j = first + v * kLanes<T>;
            h[v] = (c + load(call.columns + j)) - call.square * load(call.sigma + j);
        }
        decays<T, N>(h, near);
        for (std::size_t v = 0; v < N && kFar; ++v) {
            f[v] = (a * load(call.columns + call.stride + first + v * kLanes<T>)) / near[v].value;
        }
        for (std::size_t v = 0; v < N; ++v) {
            const std::size_t j = first + v * kLanes<T>;
            const Vec<T> e = call.weight * near[v].value;
            if constexpr (kFar) {
                store_state<T>(call, j, (e + f[v]) + call.bias, call.square * (e - f[v]));
            } else {
                store_state<T>(call, j, e + call.bias, call.square * e);
            }
        }
    };
    constexpr std::size_t N = 4;
    std::size_t j = call.begin;
    for (; j + N * kLanes<T> <= call.end; j += N * kLanes<T>) some(j, std::integral_constant<std::size_t, N>{});
    for (; j < call.end; j += kLanes<T>) some(j, std::integral_constant<std::size_t, 1>{});
}

// E₋ alone where y = b²s stays in an interval of length 2·most, y₀ its middle: E₋ = e^{y₀} K K' e^{y − y₀}.
template <class T, int kRange>
inline void smooth_exponential(SmoothCall<T> call, T middle, T growth) {
    const T k = call.weight * growth * call.row[2 * call.row_stride];
    const auto some = [=]<std::size_t N>(std::size_t first, std::integral_constant<std::size_t, N>) {
        Vec<T> x[N], sum[N];
        for (std::size_t v = 0; v < N; ++v) {
            x[v] = call.square * load(call.sigma + first + v * kLanes<T>) - middle;
        }
        horner<T>(ExponentialSeries<T, kRange>::c, x, sum);
        for (std::size_t v = 0; v < N; ++v) {
            const std::size_t j = first + v * kLanes<T>;
            const Vec<T> e = (k * load(call.columns + 2 * call.stride + j)) * sum[v];
            store_state<T>(call, j, e + call.bias, call.square * e);
        }
    };
    constexpr std::size_t N = 4;
    std::size_t j = call.begin;
    for (; j + N * kLanes<T> <= call.end; j += N * kLanes<T>) some(j, std::integral_constant<std::size_t, N>{});
    for (; j < call.end; j += kLanes<T>) some(j, std::integral_constant<std::size_t, 1>{});
}
// |y| ≤ √(b²q·b²q'), and y ≥ 0 where the layer in front is never negative.
template <class T, int kRange = 0>
inline void smooth_decay(const SmoothCall<T>& call) {
    if constexpr (kRange < kExponentialRanges<T>) {
        constexpr T most = ExponentialSeries<T, kRange>::most;
        const T middle = call.nonnegative ? most : T(0);
        const T end = middle + most;
        if (2 * call.row[0] * call.most > end * end) return smooth_decay<T, kRange + 1>(call);
        smooth_exponential<T, kRange>(call, middle, call.nonnegative ? ExponentialSeries<T, kRange>::growth : T(1));
    } else {
        smooth_sinusoid<T, false>(call);
    }
}

// Sinusoids where y = b²s is small: E = K (even·cosh y + odd·sinh y), K = exp(−½b²(q + q')); sin bx and cos bx have one
// part alone.
enum class Parts { odd, even, both };
template <class T, int kRange, Parts kParts>
inline void smooth_hyperbolic(SmoothCall<T> call) {
    const T k = (kParts == Parts::both ? T(1) : 2 * call.weight) * call.row[2 * call.row_stride];
    const auto some = [=]<std::size_t N>(std::size_t first, std::integral_constant<std::size_t, N>) {
        Vec<T> y[N], y2[N], cosh[N], sinh[N];
        for (std::size_t v = 0; v < N; ++v) {
            y[v] = call.square * load(call.sigma + first + v * kLanes<T>);
            y2[v] = y[v] * y[v];
        }
        horner<T>(HyperbolicSeries<T, kRange>::cosh, y2, cosh);
        horner<T>(HyperbolicSeries<T, kRange>::sinh, y2, sinh);
        for (std::size_t v = 0; v < N; ++v) {
            const std::size_t j = first + v * kLanes<T>;
            const Vec<T> kk = k * load(call.columns + 2 * call.stride + j);
            const Vec<T> odd = (kk * y[v]) * sinh[v];
            const Vec<T> even = kk * cosh[v];
            if constexpr (kParts == Parts::both) {
                store_state<T>(call, j, (call.even * even + call.odd * odd) + call.bias,
                               call.square * (call.even * odd + call.odd * even));
            } else {
                constexpr bool kOdd = kParts == Parts::odd;
                store_state<T>(call, j, (kOdd ? odd : even) + call.bias, call.square * (kOdd ? even : odd));
            }
        }
    };
    constexpr std::size_t N = 2;
    std::size_t j = call.begin;
    for (; j + N * kLanes<T> <= call.end; j += N * kLanes<T>) some(j, std::integral_constant<std::size_t, N>{});
    for (; j < call.end; j += kLanes<T>) some(j, std::integral_constant<std::size_t, 1>{});
}
template <class T, Parts kParts, int kRange = 0>
inline void smooth_wave(const SmoothCall<T>& call) {
    if constexpr (kRange < kHyperbolicRanges<T>) {
        constexpr T most = HyperbolicSeries<T, kRange>::most;
        const bool suits = 2 * call.row[0] * call.most <= most * most;  // y² ≤ b²q·b²q'
        return suits ? smooth_hyperbolic<T, kRange, kParts>(call) : smooth_wave<T, kParts, kRange + 1>(call);
    } else {
        smooth_sinusoid<T, true>(call);
    }
}

// Σ¹ = Θ¹ from the features: where the duals are analytic, an inner product is accurate enough for close samples too.
// In float it rounds off more than all layers, and differences take its place within 26° of parallel or opposite.
template <class T, std::size_t N>
[[gnu::always_inline]] inline void smooth_products(const SmoothStart<T>& call, const T* x, std::size_t j) {
    Vec<T> sum[N] = {};
    for (std::size_t k = 0; k < call.features; ++k) {
        const Vec<T> a = splat<T>(x[k * kPanel]);
        const T* b = call.col_panel + k * kPanel + j;
#pragma GCC unroll 8
        for (std::size_t v = 0; v < N; ++v) sum[v] += a * load(b + v * kLanes<T>);
    }
#pragma GCC unroll 8
    for (std::size_t v = 0; v < N; ++v) {
        const std::size_t at = j + v * kLanes<T>;
        if constexpr (sizeof(T) == sizeof(float)) {
            const Vec<T> size = abs<T>(sum[v]);
            const Vec<T> limit = splat(T(0.45));
            if (any_greater(size, limit)) {
                const Bits<T> sign = sign_bits<T>(sum[v]);
                const Vec<T> w = sign != 0 ? half_distance<T, true>(call, x, at) : half_distance<T, false>(call, x, at);
                sum[v] = size > limit ? flip<T>(T(0.5) - T(0.5) * w, sign) : sum[v];
            }
        }
        const Vec<T> sigma = sum[v] * (call.scale_row * load(call.scale + at));
        store(call.sigma + at, sigma);
        if (call.theta != nullptr) store(call.theta + at, sigma);
    }
}
template <class T>
void start_smooth(const SmoothStart<T>& by_reference) {
    const SmoothStart<T> call = by_reference;
    constexpr std::size_t kMany = 8, kStep = kColumnStep / kLanes<T>;
    const T* x = call.row_panel + call.row;
    std::size_t j = call.begin;
    for (; j + kMany * kLanes<T> <= call.end; j += kMany * kLanes<T>) smooth_products<T, kMany>(call, x, j);
    for (; j < call.end; j += kColumnStep) smooth_products<T, kStep>(call, x, j);
}

// Σ¹ = Θ¹ from the signed versines.
template <class T>
inline void smooth_start(SmoothCall<T> call) {
    for (std::size_t j = call.begin; j < call.end; j += kLanes<T>) {
        const Vec<T> u = load(call.sigma + j);
        const Vec<T> rho = flip<T>(1 - abs<T>(u), sign_bits<T>(u));
        const Vec<T> sigma = rho * (call.row[0] * load(call.columns + j));
        store(call.sigma + j, sigma);
        if (call.theta != nullptr) store(call.theta + j, sigma);
    }
}

// Σ and Θ times 1 + e + e', e of each sample (SmoothLayers::compare).
template <class T>
inline void smooth_finish(SmoothCall<T> call) {
    const T e = call.row[0];
    const T f = call.row[call.row_stride];
    for (std::size_t j = call.begin; j < call.end; j += kLanes<T>) {
        const Vec<T> sigma = load(call.sigma + j);
        store(call.sigma + j, sigma + sigma * (e + load(call.columns + j)));
        if (call.theta == nullptr) continue;
        const Vec<T> theta = load(call.theta + j);
        store(call.theta + j, theta + theta * (f + load(call.columns + call.stride + j)));
    }
}

template <class T>
void smooth(const SmoothCall<T>& call) {
    switch (call.kind) {
        case SmoothKind::start:
            return smooth_start(call);
        case SmoothKind::erf:
            return smooth_erf(call);
        case SmoothKind::gelu:
            return smooth_gelu(call);
        case SmoothKind::finish:
            return smooth_finish(call);
        case SmoothKind::sinusoid:
            if (call.far_weight == 0) return smooth_decay<T>(call);
            if constexpr (sizeof(T) == sizeof(float)) {  // where a part is small, weight and far_weight round alike
                if (call.even == 0) return smooth_wave<T, Parts::odd>(call);
                if (call.odd == 0) return smooth_wave<T, Parts::even>(call);
                return smooth_wave<T, Parts::both>(call);
            }
            if (call.far_weight == -call.weight) return smooth_wave<T, Parts::odd>(call);
            if (call.far_weight == call.weight) return smooth_wave<T, Parts::even>(call);
            return smooth_sinusoid<T, true>(call);
    }
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
