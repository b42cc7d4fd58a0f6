// The layer σ(x) = a·min(x, 0) + b·max(x, 0): Cho & Saul 2009 (arc-cosine kernels), written in the versine.
//
// With w = 1 − |ρ|, s = √w, c = √(2 − w) (so that s/√2 and c/√2 are the sine and cosine of half the angle
// φ = arccos|ρ|) and a2 = 2φ/π = s·P(c):
//   2κ₀(|ρ|) = 2 − a2,   2κ₀(−|ρ|) = a2,   z = (2/π)·s·c − a2,   y = 2(sin φ − φ cos φ)/π = z + w·a2
//   2(1 − κ₁(|ρ|)) = 2w − y,   2(1 − κ₁(−|ρ|)) = 2 − y
// P(c) = 2 arccos(1 − w)/(π√w) is analytic but at c = −√2, far from [1, √2]: a short polynomial in c − mid. The
// rounding error of z is ε·s, that is ε in the angle: nothing is lost as w → 0.
// The family has the normalised duals κ̂₁ = λκ₁ + (1−λ)ρ and κ̂₀ = λκ₀ + (1−λ), λ = (a−b)²/(a²+b²).
//
// The affine map then gives, with R = √(A_i A_j)/√(q_i q_j) = r_i r_j and σ_b²/√(q_i q_j) = s_i s_j, r² + s² = 1:
//   1 − ρ⁺ = ½((r_i−r_j)² + (s_i−s_j)²) + R (1 − κ̂₁)
//   1 + ρ⁺ = ½((r_i−r_j)² + (s_i−s_j)²) + 2 s_i s_j + R (1 + κ̂₁)
//   Θ⁺/√(q⁺q⁺') = R κ̂₀ Θ/√(qq') + ρ⁺
// The tables hold r/√2 and s/√2, so that R/2 and s_i s_j/2 appear below, against 2(1 ± κ̂₁) and 2κ̂₀.
#pragma once

#include "kernels.hpp"
#include "simd.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

// Chebyshev interpolation of P in c − kMid on [1, √2]; relative error 3e-9 and 2e-16.
template <class T>
struct AngleSeries;
template <>
struct AngleSeries<float> {
    static constexpr float kMid = 1.2071067811865475F;
    static constexpr float c[] = {0.94701309086006411058F,   -0.23963022526054894755F,  0.072973987412480431202F,
                                  -0.023833215764963162202F, 0.0081396430822538511739F, -0.0028220049337754134394F};
};
template <>
struct AngleSeries<double> {
    static constexpr double kMid = 1.2071067811865475;
    static constexpr double c[] = {0.94701308840990125136,    -0.23963022438831208262,  0.07297501530223545488,
                                   -0.023833581682728473246,  0.0080758511865150228594, -0.0027992966075669971247,
                                   0.00098537341088731158255, -0.00035071352398181785138, 0.00012589337562388696917,
                                   -0.00004621311340882966716, 0.000016789738471894020996};
};

template <class T>
struct Angle {
    Vec<T> a2;  // 2φ/π
    Vec<T> z;   // 2(sin φ − φ cos φ)/π − w·a2
};

template <class T>
inline Angle<T> angle(Vec<T> w) {
    using S = AngleSeries<T>;
    constexpr std::size_t n = sizeof(S::c) / sizeof(T);
    const Vec<T> s = sqrt(w);
    const Vec<T> c = sqrt_near_one(T(2) - w);
    const Vec<T> t = c - S::kMid;
    Vec<T> p = splat(S::c[n - 1]);
    for (std::size_t k = n - 1; k-- > 0;) p = p * t + S::c[k];
    const Vec<T> a2 = s * p;
    const Vec<T> z = (s * c) * T(0.63661977236758134308) - a2;
    return {a2, z};
}

// kBias: the affine map has a bias. kSigned: pairs with ρ < 0 occur. kRelu: λ = 1, so that ρ⁺ ≥ 0.
template <class T, bool kBias, bool kSigned, bool kRelu>
void ab_relu_row(const LayerCall<T>& call) {
    const T lambda = call.lambda;
    const T r_row = call.r_row;
    const T s_row = call.s_row;
    const T* const r = call.r;
    const T* const s = call.s;
    T* const u_row = call.u;
    T* const theta = call.theta;
    T* const dot = call.dot;
    const std::size_t end = call.end;
    for (std::size_t j = call.begin; j < end; j += kLanes<T>) {
        const Vec<T> u = load(u_row + j);
        const Vec<T> w = kSigned ? abs<T>(u) : u;
        const auto [a2, z] = angle<T>(w);

        Vec<T> kappa0 = 2 - a2;          // 2κ̂₀
        Vec<T> minus = w * kappa0 - z;   // 2(1 − κ̂₁)
        Vec<T> plus{};                   // 2(1 + κ̂₁)
        if constexpr (kRelu && kSigned) {
            const Bits<T> opposite = negative<T>(u);
            minus = opposite ? (2 - z) - w * a2 : minus;
            kappa0 = opposite ? a2 : kappa0;
        }
        if constexpr (!kRelu) {
            const Bits<T> opposite = negative<T>(u);
            const Vec<T> y = w * a2 + z;
            minus = opposite ? 2 * (2 - lambda) + 2 * (lambda - 1) * w - lambda * y : 2 * w - lambda * y;
            kappa0 = lambda * (opposite ? a2 : kappa0) + 2 * (1 - lambda);
            plus = opposite ? 2 * lambda + 2 * (1 - lambda) * w + lambda * y : 4 - minus;
        }

        Vec<T> half_r, v, o{};  // R/2, 1 − ρ⁺, 1 + ρ⁺
        if constexpr (kBias) {
            const Vec<T> rj = load(r + j);
            const Vec<T> sj = load(s + j);
            const Vec<T> dr = r_row - rj;
            const Vec<T> ds = s_row - sj;
            const Vec<T> spread = dr * dr + ds * ds;
            half_r = r_row * rj;
            v = half_r * minus + spread;
            if constexpr (!kRelu) o = half_r * plus + (spread + 4 * (s_row * sj));
        } else {
            half_r = splat<T>(T(0.5));
            v = half_r * minus;
            if constexpr (!kRelu) o = half_r * plus;
        }

        Vec<T> rho;
        if constexpr (kRelu) {
            v = abs<T>(v);  // negative by a rounding error at most
            store(u_row + j, v);
            rho = 1 - v;
        } else {
            const Vec<T> next = o < v ? minus_abs<T>(o) : abs<T>(v);
            store(u_row + j, next);
            rho = flip<T>(1 - abs<T>(next), sign_bits<T>(next));
        }
        if (theta != nullptr) store(theta + j, load(theta + j) * (half_r * kappa0) + rho);
        if (dot != nullptr) store(dot + j, kappa0);
    }
}

template <class T, bool kBias, bool kSigned>
void ab_relu_kind(const LayerCall<T>& call) {
    if (call.lambda == 1) {
        ab_relu_row<T, kBias, kSigned, true>(call);
    } else {
        ab_relu_row<T, kBias, true, false>(call);
    }
}

template <class T>
void ab_relu(const LayerCall<T>& call) {
    const bool bias = call.r != nullptr;
    if (bias && call.nonnegative) return ab_relu_kind<T, true, false>(call);
    if (bias) return ab_relu_kind<T, true, true>(call);
    if (call.nonnegative) return ab_relu_kind<T, false, false>(call);
    return ab_relu_kind<T, false, true>(call);
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
