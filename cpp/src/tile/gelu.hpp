// The layer xΦ(x): Tsuchida, Pearce, van der Heide, Roosta & Gallagher 2020. With the arcsines of arcsine.hpp for Q =
// q,
//   2π E[σσ']/√(qq') = F(ρ) = (π/2)ρ + F_e(|ρ|),   F_e = |ρ| x̂ + √(uu') (cos x̂ + ρ² ττ'/cos x̂)
// and, of one sample, F_e = α + u cos α + uτ²/cos α, F = π/2 + F_e. Then
//   √(FF')·(1 − ρ̂(±|ρ|)) = (π/2)(1 ∓ |ρ|) + B_e − ½(√F−√F')²,   B_e = ½(F_e + F_e') − F_e(|ρ|)
//   B_e = B + sin B cos(M+x̂) + w(x̂ − √(uu') cos x̂) − 2 sin M cos M sin²(½(α−α')) + ½(a−a')² + rest,   a = √u τ/√cos α
//   rest = √(uu') ττ' [(E₁ + p uu')/(cos x̂ + k) + p k]/(k cos x̂),   k = √(cos α cos α')
//   ∂ρ̂/∂ρ √(FF') = π/2 ± [x̂ + |ρ|√(uu')/cos x̂ (1 − uu' + ττ'(2 + ρ²uu'/cos²x̂))].
#pragma once

#include "arcsine.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

template <class T>
struct Gelu {
    static constexpr Sign kSign = Sign::follows;
    static constexpr T kHalfPi = T(1.5707963267948966192);

    explicit Gelu(const LayerCall<T>& call)
        : row(call),
          half_alpha(row.tables.row(kHalfAlpha)),
          even(row.tables.row(kEven)),
          root_f(row.tables.row(kRootF)),
          inverse_root_f(row.tables.row(kInverseRootF)),
          slope(row.tables.row(kSlope)),
          root_cos(row.tables.row(kRootCos)) {}

    template <bool kSigned>
    [[nodiscard]] Dual<T> dual(std::size_t j, Vec<T> w, Bits<T> opposite) const {
        const Tables<T>& tables = row.tables;
        const Arcsine<T> a = row.pair(j, w);
        const Vec<T> tau2 = row.tau * tables.column(kTau, j);
        const Vec<T> k = root_cos * tables.column(kRootCos, j);
        const Vec<T> dd = a.d * a.d;
        const Vec<T> pd = a.p_uu * a.d1;
        // one division for tan B/2, 1/cos x̂ and (E₁ + p uu')/(cos x̂ + k)
        const Vec<T> sum = a.cos_x + k;
        const Vec<T> left = a.d1 * a.product;
        const Vec<T> right = a.cos_x * sum;
        const Vec<T> inverse = 1 / (left * right);
        const Vec<T> t = ((dd + 2 * pd) * right) * inverse;
        const Vec<T> left_inverse = left * inverse;  // 1/(cos x̂ (cos x̂ + k))
        const Vec<T> inverse_cos = sum * left_inverse;
        const Vec<T> part = (dd + pd) * (a.product * (a.cos_x * inverse));

        const Vec<T> z = t * t;
        const Vec<T> twice_t = 2 * t;
        const Vec<T> b = twice_t + twice_t * z * atan_series<T>(z);
        const Vec<T> sin_b = twice_t / (1 + z);
        const Vec<T> x = (half_alpha + tables.column(kHalfAlpha, j)) - b;
        const Vec<T> cos_sum = a.cos_m * a.cos_x - a.sin_m * a.sin_x;
        const Vec<T> sine =
            row.sin_half_beta * tables.column(kCosHalfBeta, j) - row.cos_half_beta * tables.column(kSinHalfBeta, j);
        const Vec<T> d_slope = slope - tables.column(kSlope, j);
        const Vec<T> d_root = root_f - tables.column(kRootF, j);
        const Vec<T> p_k = (w * (2 - w)) * k;
        const Vec<T> rest = (a.root_uu * tau2) * ((part + p_k) * inverse_cos) * reciprocal_k(j);
        const Vec<T> even_gap = b + sin_b * cos_sum + w * (x - a.root_uu * a.cos_x) -
                                (2 * a.sin_m * a.cos_m) * (sine * sine) + (d_slope * d_slope - d_root * d_root) + rest;
        const Vec<T> inverse_f = inverse_root_f * tables.column(kInverseRootF, j);
        const Vec<T> c2 = a.sin_x * inverse_cos;
        const Vec<T> odd_slope = x + c2 * (a.theta + tau2 * (2 + c2 * c2));
        Vec<T> mu = (kHalfPi * w + even_gap) * inverse_f;
        Vec<T> nu = 2 - mu;
        Vec<T> d = (kHalfPi + odd_slope) * inverse_f;
        if constexpr (kSigned) {
            const Vec<T> even_sum = even + tables.column(kEven, j);
            // here the spread of √F enters once more: even_gap holds −½(√F−√F')²
            const Vec<T> far = (kHalfPi * w + (even_sum - (even_gap + 2 * (d_root * d_root)))) * inverse_f;
            mu = opposite ? 2 - far : mu;
            nu = opposite ? far : nu;
            d = opposite ? (kHalfPi - odd_slope) * inverse_f : d;
        }
        return {mu, nu, d};
    }

    [[nodiscard]] Vec<T> reciprocal_k(std::size_t j) const {
        return row.tables.row(kInverseRootCos) * row.tables.column(kInverseRootCos, j);
    }

    ArcsineRow<T> row;
    T half_alpha, even, root_f, inverse_root_f, slope, root_cos;
};

template <class T>
void gelu(const LayerCall<T>& call) {
    affine_rows<T, Gelu<T>>(call);
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
