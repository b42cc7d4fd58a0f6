// Polynomials: the dual is a finite Hermite sum (Mehler), ρ̂ = Σ_k c_k ρ^k with c_k = ã_k ã_k', and ã the unit vector of
// the Hermite coefficients a_k(q) = E[σ(√q z) h_k(z)]. Hence
//   1 − ρ̂ = ½Σ(ã_k − ã_k')² + Σ c_k (1 − ρ^k),   1 + ρ̂ = ½Σ(ã_k + ã_k')² − Σ c_k (1 − ρ^k).
// Even and odd degrees apart, in z = ρ² and p = 1 − z, by one Horner scheme each: t = Σ c_k, g with Σ c_k z^m = t − p
// g, and g's own remainder h, from which the derivative is found.
//
// Tables: ã_k. Constants: the number of coefficients.
#pragma once

#include "affine.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

template <class T>
struct Mehler {
    static constexpr Sign kSign = Sign::any;

    explicit Mehler(const LayerCall<T>& call) : tables(call), count(static_cast<std::size_t>(call.constants[0])) {}

    struct Part {  // of the degrees k = parity, parity + 2, …
        Vec<T> t{}, g{}, h{}, minus{}, plus{};
    };
    [[nodiscard]] Part part(std::size_t parity, std::size_t j, Vec<T> z) const {
        Part sum;
        if (count <= parity) return sum;
        for (std::size_t k = (count - 1 - parity) / 2 * 2 + parity + 2; k > parity;) {
            k -= 2;
            const T a = tables.row(k);
            const Vec<T> b = tables.column(k, j);
            const Vec<T> difference = a - b;
            const Vec<T> total = a + b;
            sum.minus += difference * difference;
            sum.plus += total * total;
            sum.h = sum.h * z + sum.g;
            sum.g = sum.g * z + sum.t;
            sum.t += a * b;
        }
        return sum;
    }

    template <bool kSigned>
    [[nodiscard]] Dual<T> dual(std::size_t j, Vec<T> w, Bits<T> opposite) const {
        const Vec<T> rho = 1 - w;
        const Vec<T> z = rho * rho;
        const Vec<T> p = w * (2 - w);
        const Part even = part(0, j, z);
        const Part odd = part(1, j, z);
        const Vec<T> even_gap = p * even.g;  // Σ c_k (1 − |ρ|^k)
        const Vec<T> odd_gap = w * odd.t + (rho * p) * odd.g;
        const Vec<T> even_slope = 2 * rho * (even.g - p * even.h);  // ∂/∂|ρ|
        const Vec<T> odd_slope = (odd.t - p * odd.g) + 2 * z * (odd.g - p * odd.h);
        Vec<T> mu = T(0.5) * (even.minus + odd.minus) + (even_gap + odd_gap);
        Vec<T> nu = T(0.5) * (even.plus + odd.plus) - (even_gap + odd_gap);
        Vec<T> slope = odd_slope + even_slope;
        if constexpr (kSigned) {
            mu = opposite ? T(0.5) * (even.minus + odd.plus) + (even_gap - odd_gap) : mu;
            nu = opposite ? T(0.5) * (even.plus + odd.minus) - (even_gap - odd_gap) : nu;
            slope = opposite ? odd_slope - even_slope : slope;
        }
        return {mu, nu, slope};
    }

    Tables<T> tables;
    std::size_t count;
};

template <class T>
void mehler(const LayerCall<T>& call) {
    affine_rows<T, Mehler<T>>(call);
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
