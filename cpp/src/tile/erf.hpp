// The layer a·erf(bx) + c: Williams 1997, E[σσ'] = (2a²/π) arcsin(ρ √(uu')) + c², u = Q/(1+Q) = sin α, Q = 2b²q.
//
// Its odd part has, at |ρ|, the angle of the arcsines μ = (B − ½(√α−√α')²)/√(αα'), B = ½(α+α') − x̂ (see arcsine.hpp).
// That difference loses digits between norms that are far apart (for u → 0 both terms tend to ½(√u−√u')²); there the
// dual is split into its linear part, of weight ℓ² = u/α, and the rest:
//   μ = ℓℓ'w + ½(Δℓ² + Δm²) + mm'(1 − (x̂ − sin x̂)/√((α−u)(α'−u'))),   m² = 1 − ℓ².
// Slope: ∂ρ̂/∂ρ = ℓℓ'/cos x̂. The constant is an orthogonal part of weight c²/E.
#pragma once

#include "arcsine.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

template <class T, bool kConstantPart>
struct Erf {
    static constexpr Sign kSign = Sign::follows;
    static constexpr T kSmall = sizeof(T) == sizeof(float) ? T(8.6e-5) : T(3.7e-9);  // √ε/4

    explicit Erf(const LayerCall<T>& call)
        : row(call),
          u(1 - row.tau),
          half_root(row.tables.row(kHalfRoot)),
          inverse_root(row.tables.row(kInverseRoot)),
          linear(row.tables.row(kLinear)) {
        if (u < T(0.5)) u = row.root_u * row.root_u;
        if constexpr (kConstantPart) odd = row.tables.row(kOdd), constant = row.tables.row(kConstant);
    }

    template <bool kSigned>
    [[nodiscard]] Dual<T> dual(std::size_t j, Vec<T> w, Bits<T> opposite) const {
        Arcsine<T> a = row.pair(j, w);
        const Vec<T> root_uj = row.tables.column(kRootU, j);
        const Vec<T> larger_u = maximum<T>(splat(u), root_uj * root_uj);
        const Vec<T> half_root_j = row.tables.column(kHalfRoot, j);
        const Vec<T> dh = half_root - half_root_j;
        // d is set against the table √α: where u is small, it is derived from it, so that their roundings agree.
        const Bits<T> small = larger_u < splat(T(0.0625));
        if (any<T>(small)) {
            const Vec<T> x = 2 * dh * (half_root + half_root_j);  // ½(α − α')
            const Vec<T> y = x * x;
            const Vec<T> sine =
                x - x * y * (T(1.0 / 6) - y * (T(1.0 / 120) - y * (T(1.0 / 5040) - y * T(1.0 / 362880))));
            a.d = small ? 2 * a.cos_m * sine : a.d;
        }
        const Vec<T> dd = a.d * a.d;
        const Vec<T> g = a.d1 * a.product;
        const Vec<T> inverse = 1 / (g * a.cos_x);
        const Vec<T> t = ((dd + 2 * a.p_uu * a.d1) * a.cos_x) * inverse;  // tan B/2
        const Vec<T> inverse_cos = g * inverse;
        const Vec<T> z = t * t;
        const Vec<T> half_b = t + t * z * atan_series<T>(z);
        Vec<T> mu = (half_b - dh * dh) * (inverse_root * row.tables.column(kInverseRoot, j));
        const Vec<T> ll = linear * row.tables.column(kLinear, j);

        const Vec<T> reach = minimum<T>(8 * larger_u, splat(T(0.9)));
        const Bits<T> bracket = (abs<T>(a.d) < reach * larger_u) & (larger_u > splat(kSmall));
        if (any<T>(~bracket)) mu = bracket ? mu : split(j, w, a, ll);

        Vec<T> slope = ll * inverse_cos;
        Vec<T> nu = 2 - mu;
        if constexpr (kSigned) {
            const Vec<T> near = mu;
            mu = opposite ? nu : near;
            nu = opposite ? near : nu;
        }
        if constexpr (kConstantPart) {
            const Vec<T> odd_j = row.tables.column(kOdd, j);
            const Vec<T> constant_j = row.tables.column(kConstant, j);
            const Vec<T> weight = odd * odd_j;
            const Vec<T> d_odd = odd - odd_j;
            const Vec<T> d_constant = constant - constant_j;
            const Vec<T> spread = T(0.5) * (d_odd * d_odd + d_constant * d_constant);
            mu = spread + weight * mu;
            nu = spread + weight * nu + 2 * (constant * constant_j);
            slope = weight * slope;
        }
        return {mu, nu, slope};
    }

    [[nodiscard]] Vec<T> split(std::size_t j, Vec<T> w, const Arcsine<T>& a, Vec<T> ll) const {
        const Tables<T>& tables = row.tables;
        const Vec<T> kappa = a.rho / (1 + a.cos_x);
        const Vec<T> t = kappa * a.root_uu;  // tan x̂/2
        const Vec<T> z = t * t;
        const Vec<T> cubic = kappa * kappa * kappa * (2 * polynomial<T>(AtanSeries<T>::wide, z) + 2 / (1 + z));
        const Vec<T> dl = linear - tables.column(kLinear, j);
        const Vec<T> dm = tables.row(kRest) - tables.column(kRest, j);
        const Vec<T> scale = tables.row(kInverseCubic) * tables.column(kInverseCubic, j);
        return ll * w + T(0.5) * (dl * dl + dm * dm) +
               (tables.row(kRest) * tables.column(kRest, j)) * (1 - cubic * scale);
    }

    ArcsineRow<T> row;
    T u, half_root, inverse_root, linear, odd = 1, constant = 0;
};

// Constants: 1 if c ≠ 0.
template <class T>
void erf(const LayerCall<T>& call) {
    if (call.constants[0] != 0) return affine_rows<T, Erf<T, true>>(call);
    return affine_rows<T, Erf<T, false>>(call);
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
