// Smooth layers at moderate variances, on s = Σ and Θ themselves: where the dual of σ is analytic in ρ up to ±1,
// rounding errors of s stay what they are, and 1 − ρ needs no care.
//   Σ⁺ = σ_w² E[σσ'] + σ_b²,   Θ⁺ = Θ σ_w² ∂E[σσ']/∂s + Σ⁺
// The formulas are those of erf.hpp, gelu.hpp and sinusoid.hpp, with x̂ = arcsin z = 2 atan(z/(1 + √(1−z²))):
//   erf       E = (2a²/π) x̂ + c²                                        z = s g g',   g² = 2b²/(1 + 2b²q)
//   gelu      E = (1/2π) [s (π/2 + x̂) + g g' (qq' cos x̂ + z²/cos x̂)]    z = s g g',   g² = 1/(1 + q)
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

// ½x̂ and 1/cos x̂ of the columns
inline void half_arcsines(SmoothCall call, Real* half, Real* inverse_cos) {
    const Real g = call.row[0];
    for (std::size_t j = call.begin; j < call.end; j += kLanes<Real>) {
        const Lanes z = load(call.sigma + j) * (g * load(call.columns + j));
        const Root<Real> cos = root<Real>(1 - z * z);
        store(half + j, z / (1 + cos.value));
        store(inverse_cos + j, cos.inverse);
    }
    // z² ≤ uu', u = g²q
    const Real most = g * g * call.row[call.row_stride] * call.most;
    const Real t = 1 / (1 + __builtin_sqrt(1 - most));
    arctangents<Real>(atan_range<Real>(1.0001 * most * t * t), call.begin, call.end, half);
}

inline void smooth_erf(SmoothCall call) {
    alignas(64) Real half[kPanel], inverse_cos[kPanel];
    half_arcsines(call, half, inverse_cos);
    const Real g = call.weight * call.row[0];
    for (std::size_t j = call.begin; j < call.end; j += kLanes<Real>) {
        const Lanes slope = (g * load(call.columns + j)) * load(inverse_cos + j);
        store_state(call, j, 2 * call.weight * load(half + j) + call.bias, slope);
    }
}

inline void smooth_gelu(SmoothCall call) {
    alignas(64) Real half[kPanel], inverse_cos[kPanel];
    half_arcsines(call, half, inverse_cos);
    const Real g = call.row[0];
    const Real q = call.row[call.row_stride];
    for (std::size_t j = call.begin; j < call.end; j += kLanes<Real>) {
        const Lanes s = load(call.sigma + j);
        const Lanes gg = g * load(call.columns + j);
        const Lanes qq = q * load(call.columns + call.stride + j);
        const Lanes inverse = load(inverse_cos + j);
        const Lanes angle = 2 * load(half + j) + Real(1.5707963267948966192);
        const Lanes z = s * gg;
        const Lanes rest = (gg * inverse) * ((1 - qq) * (z * z) + qq);
        const Lanes slope = angle + (z * inverse) * ((gg * gg) * (inverse * inverse + (1 - qq)) + 1);
        store_state(call, j, call.weight * (s * angle + rest) + call.bias, call.weight * slope);
    }
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
            return call.far_weight != 0 ? smooth_sinusoid<true>(call) : smooth_sinusoid<false>(call);
    }
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
