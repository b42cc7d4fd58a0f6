// What erf and gelu share: with u = sin α per sample and x̂ = arcsin(|ρ| √(uu')),
//   B = ½(α + α') − x̂ ≥ 0
// to full relative accuracy. With M = ½(α+α'), Δ = sin ½(α−α') and p = 1 − ρ², all of
//   N = sin²M − sin²x̂ = cos²x̂ − cos²M = Δ² + p uu',   1 − uu' = cos²M + Δ²,
//   tan B/2 = (sin M − sin x̂)/(cos M + cos x̂) = N/((sin M + sin x̂)(cos M + cos x̂))
// are sums of positive terms.
#pragma once

#include "affine.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

template <class T>
struct Arcsine {
    Vec<T> sin_m, cos_m, delta;  // sin M, cos M, ±Δ
    Vec<T> rho, root_uu;         // |ρ|, √(uu')
    Vec<T> delta2, theta;        // Δ², 1 − uu'
    Vec<T> p, sin_x, cos_x;      // 1 − ρ², sin x̂, cos x̂
    Vec<T> inverse_cos;          // 1/cos x̂
    Vec<T> excess;               // N
    Vec<T> tangent;              // tan B/2
};

template <class T>
struct ArcsineRow {
    explicit ArcsineRow(const LayerCall<T>& call)
        : tables(call),
          root_u(tables.row(kRootU)),
          sin_half(tables.row(kSinHalf)),
          cos_half(tables.row(kCosHalf)),
          sin_half_beta(tables.row(kSinHalfBeta)),
          cos_half_beta(tables.row(kCosHalfBeta)),
          steep(sin_half > T(0.25)) {
        // tan B/2 ≤ tan M/2 = sin M/(1 + cos M), at the block's largest α
        const T s = tables.columns[kMostSinHalf * tables.stride];
        const T c = tables.columns[kMostCosHalf * tables.stride];
        const T t = T(1.0001) * (sin_half * c + cos_half * s) / (1 + (cos_half * c - sin_half * s));
        range = atan_range<T>(t * t);
        least_u = tables.columns[kLeastU * tables.stride];
        most_u = 2 * s * c;
    }

    // sin M, cos M and Δ, each to relative accuracy but for Δ, which has that of the smaller one of α and π/2 − α.
    [[nodiscard, gnu::always_inline]] Arcsine<T> angles(std::size_t j) const {
        Arcsine<T> a;
        const Vec<T> sj = tables.column(kSinHalf, j);
        const Vec<T> cj = tables.column(kCosHalf, j);
        const Vec<T> sbj = tables.column(kSinHalfBeta, j);
        const Vec<T> cbj = tables.column(kCosHalfBeta, j);
        a.sin_m = sin_half * cj + cos_half * sj;
        a.cos_m = sin_half_beta * cbj + cos_half_beta * sbj;
        if (steep) {
            a.delta = cos_half_beta * sbj - sin_half_beta * cbj;
        } else {
            a.delta = sin_half * cj - cos_half * sj;
        }
        return a;
    }
    // The rest, for the given Δ.
    [[gnu::always_inline]] void pair(Arcsine<T>& a, std::size_t j, Vec<T> w) const {
        a.rho = 1 - w;
        a.p = w * (2 - w);
        a.root_uu = root_u * tables.column(kRootU, j);
        a.sin_x = a.rho * a.root_uu;
        a.delta2 = a.delta * a.delta;
        a.theta = a.cos_m * a.cos_m + a.delta2;
        const Vec<T> p_uu = a.p * (a.root_uu * a.root_uu);
        a.excess = a.delta2 + p_uu;
        const Root<T> root_x = root<T>(a.theta + p_uu);
        a.cos_x = root_x.value;
        a.inverse_cos = root_x.inverse;
        a.tangent = a.excess / ((a.sin_m + a.sin_x) * (a.cos_m + a.cos_x));
    }

    Tables<T> tables;
    T root_u, sin_half, cos_half, sin_half_beta, cos_half_beta, least_u, most_u;
    bool steep;
    int range;  // of tan²(B/2) in this row, for atan_series
};

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
