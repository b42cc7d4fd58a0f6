// The layer xΦ(x): Tsuchida, Pearce, van der Heide, Roosta & Gallagher 2020. With the arcsines of arcsine.hpp for Q =
// q,
//   2π E[σσ']/√(qq') = F(ρ) = (π/2)ρ + F_e(|ρ|),   F_e = |ρ| x̂ + √(uu') (cos x̂ + ρ² ττ'/cos x̂)
// and, of one sample, F_e = α + u cos α + uτ²/cos α, F = π/2 + F_e. Then
//   √(FF')·(1 − ρ̂(±|ρ|)) = (π/2)(1 ∓ |ρ|) + B_e − ½(√F−√F')²,   B_e = ½(F_e + F_e') − F_e(|ρ|)
//   B_e = B + sin B cos(M+x̂) + w(x̂ − √(uu') cos x̂) − 2 sin M cos M Δ² + ½(a−a')² + rest,   a = √u τ/√cos α
//   rest = √(uu') ττ' [(N + Δ²)/(cos x̂ + k) + p k]/(k cos x̂),   k = √(cos α cos α')
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
          row_tau(row.tables.row(kTau)),
          half_alpha(row.tables.row(kHalfAlpha)),
          even(row.tables.row(kEven)),
          root_f(row.tables.row(kRootF)),
          inverse_root_f(row.tables.row(kInverseRootF)),
          slope(row.tables.row(kSlope)),
          root_cos(row.tables.row(kRootCos)),
          row_inverse_root_cos(row.tables.row(kInverseRootCos)) {}

    void passes(std::size_t begin, std::size_t end, const T* u_row, Buffer<T> buffer) const {
        for (std::size_t j = begin; j < end; j += kLanes<T>) prepare(j, abs<T>(load(u_row + j)), buffer);
        arctangents<T>(row.range, begin, end, buffer[0]);
    }

    // tan B/2, and what is without B in B_e and in the slope
    [[gnu::always_inline]] void prepare(std::size_t j, Vec<T> w, Buffer<T> buffer) const {
        const Tables<T>& tables = row.tables;
        Arcsine<T> a = row.angles(j);
        row.pair(a, j, w);
        store(buffer[0] + j, a.tangent);
        const Vec<T> twice_m = half_alpha + tables.column(kHalfAlpha, j);
        const Vec<T> tau2 = row_tau * tables.column(kTau, j);
        const Vec<T> c2 = a.sin_x * a.inverse_cos;
        store(buffer[2] + j, twice_m + c2 * (a.theta + tau2 * (2 + c2 * c2)));
        const Vec<T> k = root_cos * tables.column(kRootCos, j);
        const Vec<T> inverse_k = row_inverse_root_cos * tables.column(kInverseRootCos, j);
        // (cos x̂ − k + p k)/cos x̂, with cos²x̂ − k² = N + Δ²
        const Vec<T> part = ((a.excess + a.delta2) / (a.cos_x + k) + a.p * k) * a.inverse_cos;
        const Vec<T> rest = (a.root_uu * tau2) * inverse_k * part;
        const Vec<T> cos_sum = a.cos_m * a.cos_x - a.sin_m * a.sin_x;
        const Vec<T> d_slope = slope - tables.column(kSlope, j);
        store(buffer[1] + j, (2 * a.tangent * cos_sum) / (1 + a.tangent * a.tangent) +
                                 w * (twice_m - a.root_uu * a.cos_x) - 2 * (a.sin_m * a.cos_m) * a.delta2 +
                                 d_slope * d_slope + rest);
    }

    template <bool kSigned>
    [[nodiscard, gnu::always_inline]] Dual<T> dual(std::size_t j, Vec<T> w, Bits<T> opposite, Buffer<T> buffer) const {
        const Tables<T>& tables = row.tables;
        const Vec<T> b = 2 * load(buffer[0] + j);
        const Vec<T> d_root = root_f - tables.column(kRootF, j);
        const Vec<T> even_gap = b * (1 - w) + (load(buffer[1] + j) - d_root * d_root);
        const Vec<T> odd_slope = load(buffer[2] + j) - b;
        const Vec<T> inverse_f = inverse_root_f * tables.column(kInverseRootF, j);
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

    ArcsineRow<T> row;
    T row_tau, half_alpha, even, root_f, inverse_root_f, slope, root_cos, row_inverse_root_cos;
};

template <class T>
void gelu(const LayerCall<T>& call) {
    affine_rows<T, Gelu<T>>(call);
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
