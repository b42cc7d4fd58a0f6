// What erf and gelu share: with u = sin α per sample and x̂ = arcsin(|ρ| √(uu')),
//   B = ½(α + α') − x̂ ≥ 0
// to full relative accuracy. With M = ½(α+α'), cos 2x̂ − cos 2M = 2 sin²M − 2 sin²x̂ = E₁ + 2p uu', p = 1 − ρ²,
// E₁ = 1 − uu' − cos α cos α' = (u−u')²/D₁, D₁ = 1 − uu' + cos α cos α', and
//   tan B/2 = (sin M − sin x̂)/(cos M + cos x̂) = ½(E₁ + 2p uu')/((sin M + sin x̂)(cos M + cos x̂)):
// sums of positive terms, and one division.
#pragma once

#include "affine.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

template <class T>
struct Arcsine {
    Vec<T> rho, root_uu, uu, sin_x, cos_x, p_uu;  // |ρ|, √(uu'), uu', sin x̂, cos x̂, p uu'
    Vec<T> theta;                                 // 1 − uu'
    Vec<T> d, d1;                                 // u − u', D₁
    Vec<T> sin_m, cos_m;
    Vec<T> product;  // 2 (sin M + sin x̂)(cos M + cos x̂)
};

template <class T>
struct ArcsineRow {
    explicit ArcsineRow(const LayerCall<T>& call)
        : tables(call),
          q(tables.row(kQ)),
          tau(tables.row(kTau)),
          root_u(tables.row(kRootU)),
          cos(tables.row(kCos)),
          sin_half(tables.row(kSinHalf)),
          cos_half(tables.row(kCosHalf)),
          sin_half_beta(tables.row(kSinHalfBeta)),
          cos_half_beta(tables.row(kCosHalfBeta)) {}

    [[nodiscard]] Arcsine<T> pair(std::size_t j, Vec<T> w) const {
        Arcsine<T> a;
        const Vec<T> tau_j = tables.column(kTau, j);
        const Vec<T> sb = tables.column(kSinHalfBeta, j);
        const Vec<T> cb = tables.column(kCosHalfBeta, j);
        a.rho = 1 - w;
        a.root_uu = root_u * tables.column(kRootU, j);
        a.uu = a.root_uu * a.root_uu;
        a.theta = tau + (1 - tau) * tau_j;
        a.p_uu = (w * (2 - w)) * a.uu;
        a.sin_x = a.rho * a.root_uu;
        a.cos_x = sqrt(a.theta + a.p_uu);
        a.d = (q - tables.column(kQ, j)) * (tau * tau_j);
        a.d1 = a.theta + cos * tables.column(kCos, j);
        a.sin_m = sin_half * tables.column(kCosHalf, j) + cos_half * tables.column(kSinHalf, j);
        a.cos_m = sin_half_beta * cb + cos_half_beta * sb;
        a.product = (2 * (a.sin_m + a.sin_x)) * (a.cos_m + a.cos_x);
        return a;
    }

    Tables<T> tables;
    T q, tau, root_u, cos, sin_half, cos_half, sin_half_beta, cos_half_beta;
};

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
