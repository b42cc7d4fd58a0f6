// The layer σ = a for x < 0, b for x > 0: sign (−1, 1) and the Heaviside step (0, 1). With φ = arccos|ρ| (Cho & Saul
// 2009): a constant of weight c² = (a+b)²/(2(a²+b²)) and an odd part of weight 1 − c² and 1 − ρ̂ = 2φ/π at |ρ|. It has
// no derivative kernel: D is set to 0.
//
// Constants: c².
#pragma once

#include "ab_relu.hpp"
#include "affine.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

template <class T>
struct Step {
    static constexpr Sign kSign = Sign::follows;

    explicit Step(const LayerCall<T>& call) : constant(call.constants[0]), odd(1 - constant) {}

    template <bool kSigned>
    [[nodiscard]] Dual<T> dual(std::size_t, Vec<T> w, Bits<T> opposite) const {
        const Vec<T> near = angle<T, false>(w).a2;
        Vec<T> mu = odd * near;
        Vec<T> nu = 2 - mu;
        if constexpr (kSigned) {
            mu = opposite ? odd * (2 - near) : mu;
            nu = opposite ? 2 * constant + odd * near : nu;
        }
        return {mu, nu, Vec<T>{}};
    }

    T constant, odd;
};

template <class T>
void step(const LayerCall<T>& call) {
    affine_rows<T, Step<T>>(call);
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
