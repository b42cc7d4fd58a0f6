// The layer max(x, 0)^k, k ≥ 1 (arc-cosine kernels of order k, Cho & Saul 2009). With κ_k = ρ̂, x^k = x₊^k + (−1)^k x₋^k
// gives
//   κ_k(ρ) = m_k(ρ) − (−1)^k κ_k(−ρ),   m_k = E[x^k y^k]/(2k−1)!! = Σ_j α_j² ρ^j   (Mehler, Σ α_j² = 1)
//   κ_k(−|ρ|) = w^k √w G_k(w),   G_k analytic on [0, 1];   κ_k' = k²/(2k−1) κ_{k−1}
// and 1 − m_k = w Σ_l β_l |ρ|^l, β_l = Σ_{j>l} α_j²: all positive.
//
// Constants: k; n and n coefficients of G_k in 2w − 1, and of G_{k−1}; the k numbers β of m_k, and k − 1 of m_{k−1}.
#pragma once

#include "affine.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

template <class T>
struct RectifiedMonomial {
    static constexpr Sign kSign = Sign::positive;

    explicit RectifiedMonomial(const LayerCall<T>& call)
        : k(static_cast<std::size_t>(call.constants[0])),
          n(static_cast<std::size_t>(call.constants[1])),
          upper(call.constants + 2),
          lower(upper + n),
          beta(lower + n),
          lower_beta(beta + k),
          gain(static_cast<T>(k * k) / static_cast<T>(2 * k - 1)) {}

    [[nodiscard]] static Vec<T> horner(const T* c, std::size_t count, Vec<T> t) {
        Vec<T> sum{};
        for (std::size_t i = count; i-- > 0;) sum = sum * t + c[i];
        return sum;
    }

    template <bool kSigned>
    [[nodiscard]] Dual<T> dual(std::size_t, Vec<T> w, Bits<T> opposite) const {
        const Vec<T> rho = 1 - w;
        const Vec<T> t = 2 * w - 1;
        Vec<T> power = sqrt(w);
        for (std::size_t i = 1; i < k; ++i) power *= w;
        const Vec<T> below = power * horner(lower, n, t);      // κ_{k−1}(−|ρ|)
        const Vec<T> far = (power * w) * horner(upper, n, t);  // κ_k(−|ρ|)
        const Vec<T> signed_far = k % 2 == 1 ? -far : far;
        const Vec<T> signed_below = k % 2 == 1 ? below : -below;
        Vec<T> mu = w * horner(beta, k, rho) + signed_far;
        Vec<T> slope = 1 - (w * horner(lower_beta, k - 1, rho) + signed_below);
        if constexpr (kSigned) {
            mu = opposite ? 1 - far : mu;
            slope = opposite ? below : slope;
        }
        return {mu, Vec<T>{}, gain * slope};
    }

    std::size_t k, n;
    const T *upper, *lower, *beta, *lower_beta;
    T gain;
};

template <class T>
void rectified_monomial(const LayerCall<T>& call) {
    affine_rows<T, RectifiedMonomial<T>>(call);
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
