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

// kPlain: no pair of the row is split.
template <class T, bool kConstantPart, bool kPlain>
struct Erf {
    static constexpr Sign kSign = kConstantPart ? Sign::follows : Sign::odd;
    static constexpr T kSmall = sizeof(T) == sizeof(float) ? T(8.6e-5) : T(3.7e-9);  // √ε/4

    explicit Erf(const LayerCall<T>& call)
        : row(call),
          u(row.root_u * row.root_u),
          half_root(row.tables.row(kHalfRoot)),
          inverse_root(row.tables.row(kInverseRoot)),
          linear(row.tables.row(kLinear)) {
        if constexpr (kConstantPart) odd = row.tables.row(kOdd), constant = row.tables.row(kConstant);
    }

    void passes(std::size_t begin, std::size_t end, const T* u_row, Buffer<T> buffer) const {
        for (std::size_t j = begin; j < end; j += kLanes<T>) prepare(j, abs<T>(load(u_row + j)), buffer);
        arctangents<T>(row.range, begin, end, buffer[0]);
    }

    // tan B/2, negative where the dual is split, and ℓℓ'/cos x̂
    [[gnu::always_inline]] void prepare(std::size_t j, Vec<T> w, Buffer<T> buffer) const {
        Arcsine<T> a = row.angles(j);
        if constexpr (!kPlain) derive_small(a, j);
        row.pair(a, j, w);
        if constexpr (!kPlain) {
            const Vec<T> larger_u = larger(j);
            const Vec<T> reach = minimum<T>(8 * larger_u, splat(T(0.9)));
            const Vec<T> d = 2 * (a.cos_m * a.delta);  // ±(u − u')
            const Bits<T> bracket = (abs<T>(d) < reach * larger_u) & (larger_u > splat(kSmall));
            a.tangent = bracket ? a.tangent : minus_abs<T>(a.tangent);
        }
        store(buffer[0] + j, a.tangent);
        store(buffer[2] + j, (linear * row.tables.column(kLinear, j)) * a.inverse_cos);
    }

    template <bool kSigned>
    [[nodiscard, gnu::always_inline]] Dual<T> dual(std::size_t j, Vec<T> w, Bits<T> opposite, Buffer<T> buffer) const {
        const Vec<T> half_b = load(buffer[0] + j);
        const Vec<T> dh = half_root - row.tables.column(kHalfRoot, j);
        Vec<T> mu = (half_b - dh * dh) * (inverse_root * row.tables.column(kInverseRoot, j));
        if constexpr (!kPlain) {
            const Bits<T> apart = negative<T>(half_b);
            if (any<T>(apart)) mu = apart ? split(j, w) : mu;
        }
        Vec<T> slope = load(buffer[2] + j);
        if constexpr (!kConstantPart) return {mu, mu, slope};

        Vec<T> nu = 2 - mu;
        if constexpr (kSigned) {
            const Vec<T> near = mu;
            mu = opposite ? nu : near;
            nu = opposite ? near : nu;
        }
        const Vec<T> odd_j = row.tables.column(kOdd, j);
        const Vec<T> constant_j = row.tables.column(kConstant, j);
        const Vec<T> weight = odd * odd_j;
        const Vec<T> d_odd = odd - odd_j;
        const Vec<T> d_constant = constant - constant_j;
        const Vec<T> spread = T(0.5) * (d_odd * d_odd + d_constant * d_constant);
        return {spread + weight * mu, spread + weight * nu + 2 * (constant * constant_j), weight * slope};
    }

    [[nodiscard]] Vec<T> larger(std::size_t j) const {
        const Vec<T> root_uj = row.tables.column(kRootU, j);
        return maximum<T>(splat(u), root_uj * root_uj);
    }
    // Δ is set against the table √α: where u is small, it is derived from it, so that their roundings agree.
    void derive_small(Arcsine<T>& a, std::size_t j) const {
        const Bits<T> small = larger(j) < splat(T(0.0625));
        if (!any<T>(small)) return;
        const Vec<T> half_root_j = row.tables.column(kHalfRoot, j);
        const Vec<T> x = 2 * (half_root - half_root_j) * (half_root + half_root_j);  // ½(α − α')
        const Vec<T> y = x * x;
        const Vec<T> sine = x - x * y * (T(1.0 / 6) - y * (T(1.0 / 120) - y * (T(1.0 / 5040) - y * T(1.0 / 362880))));
        a.delta = small ? sine : a.delta;
    }

    [[nodiscard]] Vec<T> split(std::size_t j, Vec<T> w) const {
        const Tables<T>& tables = row.tables;
        Arcsine<T> a = row.angles(j);
        row.pair(a, j, w);
        const Vec<T> ll = linear * tables.column(kLinear, j);
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

template <class T, bool kConstantPart>
void erf_row(const LayerCall<T>& call) {
    // Are all pairs far from the limits where Δ is derived and where the dual is split?
    const ArcsineRow<T> row(call);
    const T u = row.root_u * row.root_u;
    const T least = u < row.least_u ? u : row.least_u;
    const T most = u > row.most_u ? u : row.most_u;
    const T larger = u > row.least_u ? u : row.least_u;
    const bool plain = larger > T(0.1126) && most - least < T(0.899) * most;
    if (plain) return affine_rows<T, Erf<T, kConstantPart, true>>(call);
    return affine_rows<T, Erf<T, kConstantPart, false>>(call);
}

// Constants: 1 if c ≠ 0.
template <class T>
void erf(const LayerCall<T>& call) {
    if (call.constants[0] != 0) return erf_row<T, true>(call);
    return erf_row<T, false>(call);
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
