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

// Chebyshev interpolation in c − kMid on [1, √2]. P: relative error 3e-9 and 2e-16. G = (sin φ − φ cos φ)·2/(π·s·w),
// for the precise variant: 3e-17, and P 7e-18.
constexpr double kMid = 1.2071067811865475;
template <class T>
struct AngleSeries;
template <>
struct AngleSeries<float> {
    static constexpr float p[] = {0.94701309086006411058F,   -0.23963022526054894755F,  0.072973987412480431202F,
                                  -0.023833215764963162202F, 0.0081396430822538511739F, -0.0028220049337754134394F};
};
template <>
struct AngleSeries<double> {
    static constexpr double p[] = {0.94701308840990125136,     -0.23963022438831208262,    0.07297501530223545488,
                                   -0.023833581682728473246,   0.0080758511865150228594,   -0.0027992966075669971247,
                                   0.00098537341088731158255,  -0.00035071352398181785138, 0.00012589337562388696917,
                                   -0.00004621311340882966716, 0.000016789738471894020996};
};
constexpr double kPreciseP[] = {0.94701308840990124453,      -0.2396302243883025248,    0.07297501530224342371,
                                -0.023833581687186798202,    0.0080758511850282401899,  -0.0027992960253385140659,
                                0.00098537350796628856578,   -0.0003507445566082771628, 0.00012589078854453270846,
                                -0.000045489508847341055703, 0.00001681386774884152043, -6.1353182095034392599e-6};
constexpr double kPreciseG[] = {0.61813617862313763217,     -0.088088635828516271884,    0.0066670094606963136227,
                                0.0043367522210653377405,   -0.0036661537337349178458,   0.0020302400414306377616,
                                -0.00098158282548511613306, 0.00044431199633608960113,   -0.00019350403875643580766,
                                0.000082216706815135265557, -0.000035091112160603316805, 0.000014462335259433750488};

template <class T, class C, std::size_t n>
inline Vec<T> series(const C (&c)[n], Vec<T> t) {
    Vec<T> sum = splat(static_cast<T>(c[n - 1]));
    for (std::size_t k = n - 1; k-- > 0;) sum = sum * t + static_cast<T>(c[k]);
    return sum;
}

template <class T>
struct Angle {
    Vec<T> a2;     // 2φ/π
    Vec<T> y;      // 2(sin φ − φ cos φ)/π; only where asked for
    Vec<T> minus;  // 2w − y = 2(1 − κ₁(|ρ|))
};

// kPrecise: relative accuracy of 1 − κ₁ instead of the angle's absolute one, at the price of a second series.
template <class T, bool kPrecise>
inline Angle<T> angle(Vec<T> w) {
    const Vec<T> s = sqrt(w);
    const Vec<T> c = sqrt_near_one(T(2) - w);
    const Vec<T> t = c - static_cast<T>(kMid);
    if constexpr (kPrecise) {
        const Vec<T> sg = s * series<T>(kPreciseG, t);
        return {s * series<T>(kPreciseP, t), w * sg, w * (2 - sg)};
    } else {
        const Vec<T> a2 = s * series<T>(AngleSeries<T>::p, t);
        const Vec<T> z = (s * c) * T(0.63661977236758134308) - a2;
        return {a2, w * a2 + z, w * (2 - a2) - z};
    }
}

// kBias: the affine map has a bias. kSigned: pairs with ρ < 0 occur. kRelu: λ = 1, so that ρ⁺ ≥ 0.
template <class T, bool kBias, bool kSigned, bool kRelu, bool kPrecise>
void ab_relu_row(const LayerCall<T>& call) {
    const T lambda = call.constants[0];
    const T r_row = call.r_row;
    const T s_row = call.s_row;
    const T* const r = call.r;
    const T* const s = call.s;
    const T p_row = call.p_row;
    const T* const p = call.p;
    T* const u_row = call.u;
    T* const theta = call.theta;
    T* const low = call.theta_low;
    T* const dot = call.dot;
    const std::size_t end = call.end;
    for (std::size_t j = call.begin; j < end; j += kLanes<T>) {
        const Vec<T> u = load(u_row + j);
        const Vec<T> w = kSigned ? abs<T>(u) : u;
        const auto [a2, y, near] = angle<T, kPrecise>(w);

        Vec<T> kappa0 = 2 - a2;  // 2κ̂₀
        Vec<T> minus = near;     // 2(1 − κ̂₁)
        Vec<T> plus{};           // 2(1 + κ̂₁)
        if constexpr (kRelu && kSigned) {
            const Bits<T> opposite = negative<T>(u);
            minus = opposite ? 2 - y : minus;
            kappa0 = opposite ? a2 : kappa0;
        }
        if constexpr (!kRelu) {
            const Bits<T> opposite = negative<T>(u);
            minus =
                opposite ? 2 * (2 - lambda) + 2 * (lambda - 1) * w - lambda * y : lambda * near + 2 * (1 - lambda) * w;
            kappa0 = lambda * (opposite ? a2 : kappa0) + 2 * (1 - lambda);
            plus = opposite ? 2 * lambda + 2 * (1 - lambda) * w + lambda * y : 4 - minus;
        }

        // R/2·x. Where R tends to 1 with the depth, its distance from 1 must not be rounded at every layer.
        Vec<T> half_r = splat<T>(T(0.5)), far{}, spread{}, rj{}, sj{};
        if constexpr (kBias) {
            rj = load(r + j);
            sj = load(s + j);
            const Vec<T> dr = r_row - rj;
            const Vec<T> ds = s_row - sj;
            spread = dr * dr + ds * ds;
            half_r = r_row * rj;
            if constexpr (kPrecise) {
                const Vec<T> pj = load(p + j);
                far = p_row + (pj - p_row * pj);  // 1 − R
            }
        }
        const auto times_half_r = [&](Vec<T> x) {
            if constexpr (kPrecise)
                return T(0.5) * (x - x * far);
            else
                return half_r * x;
        };
        Vec<T> v = times_half_r(minus) + spread;  // 1 − ρ⁺
        Vec<T> o{};                               // 1 + ρ⁺
        if constexpr (!kRelu) o = times_half_r(plus) + (spread + 4 * (s_row * sj));

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
        if (theta != nullptr) {
            const Vec<T> slope = times_half_r(kappa0);
            const Vec<T> old = load(theta + j);
            if (kPrecise && low != nullptr) {
                // Θ is a sum over the layers: what each addition rounds off is carried along.
                const Vec<T> product = slope * old;
                const Vec<T> lost = fused_difference<T>(slope, old, product);
                const Vec<T> sum = product + rho;
                const Vec<T> part = sum - product;
                const Vec<T> rest = slope * load(low + j) + (lost + ((product - (sum - part)) + (rho - part)));
                const Vec<T> next = sum + rest;
                store(theta + j, next);
                store(low + j, rest - (next - sum));
            } else {
                store(theta + j, old * slope + rho);
            }
        }
        if (dot != nullptr) store(dot + j, T(0.5) * kappa0);
    }
}

template <class T, bool kBias, bool kSigned>
void ab_relu_kind(const LayerCall<T>& call) {
    const bool relu = call.constants[0] == 1;
    if (relu && call.precise) return ab_relu_row<T, kBias, kSigned, true, true>(call);
    if (relu) return ab_relu_row<T, kBias, kSigned, true, false>(call);
    if (call.precise) return ab_relu_row<T, kBias, true, false, true>(call);
    return ab_relu_row<T, kBias, true, false, false>(call);
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
