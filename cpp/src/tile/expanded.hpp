// Truncated Hermite expansions: ρ̂ = Σ_k c_k ρ^k with c_k = ã_k ã_k', and its derivative, by one Horner pass.
//
// Where neither 1 − ρ̂ nor 1 + ρ̂ is small, that is all: three operations a term. Elsewhere the cancellation-free sums
// of mehler.hpp are taken, with z = ρ², p = 1 − z, t = Σ c_k, g from Σ c_k z^m = t − p g, h from its derivative:
//   1 − ρ̂ = ½Σ(ã_k − ã_k')² + Σ c_k (1 − ρ^k),   1 + ρ̂ = ½Σ(ã_k − ã_k')² + 2Σ c_k − Σ c_k (1 − ρ^k),
// odd degrees with the opposite sign where ρ < 0.
//
// Terms beyond those that |ρ| makes smaller than a rounding error are left out, vector by vector.
#pragma once

#include "affine.hpp"
#include "expanded_tables.hpp"
#include "sparse_expanded.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

template <class T, int kParity>
struct Expanded {
    static constexpr Sign kSign = Sign::any;

    explicit Expanded(const LayerCall<T>& call)
        : columns(call.tables),
          stride(call.stride),
          all(call.n_tables),
          near(call.constants[1] != 0 || call.precise),
          terms(call.constants + 2) {
        for (std::size_t k = 0; k < all; ++k) row[k] = call.row_tables[k * call.row_stride];
    }

    struct Part {
        Vec<T> t{}, g{}, h{}, spread{};
        void add(T a, Vec<T> b, Vec<T> z) {
            const Vec<T> difference = a - b;
            spread += difference * difference;
            h = h * z + g;
            g = g * z + t;
            t += a * b;
        }
    };

    template <bool kSigned>
    [[nodiscard]] Dual<T> accurate(std::size_t j, Vec<T> w, Bits<T> opposite) const {
        const Vec<T> rho = 1 - w;
        const Vec<T> z = rho * rho;
        const Vec<T> p = w * (2 - w);
        Part even, odd;
        const T* column = columns + j;
        if constexpr (kParity == kAllDegrees) {
            std::size_t k = all;
            if (k % 2 == 1) {
                --k;
                even.add(row[k], load(column + k * stride), z);
            }
            while (k > 0) {
                k -= 2;
                odd.add(row[k + 1], load(column + (k + 1) * stride), z);
                even.add(row[k], load(column + k * stride), z);
            }
        } else {
            Part& only = kParity == kOddDegrees ? odd : even;
            for (std::size_t k = all; k-- > 0;) only.add(row[k], load(column + k * stride), z);
        }
        const Vec<T> even_gap = p * even.g;  // Σ c_k (1 − |ρ|^k)
        const Vec<T> odd_gap = w * odd.t + (rho * p) * odd.g;
        const Vec<T> even_slope = 2 * rho * (even.g - p * even.h);  // ∂/∂|ρ|
        const Vec<T> odd_slope = (odd.t - p * odd.g) + 2 * z * (odd.g - p * odd.h);
        const Vec<T> spread = T(0.5) * (even.spread + odd.spread);
        Vec<T> mu = spread + (even_gap + odd_gap);
        Vec<T> nu = spread + 2 * (even.t + odd.t) - (even_gap + odd_gap);
        Vec<T> slope = odd_slope + even_slope;
        if constexpr (kSigned) {
            mu = opposite ? spread + 2 * odd.t + (even_gap - odd_gap) : mu;
            nu = opposite ? spread + 2 * even.t - (even_gap - odd_gap) : nu;
            slope = opposite ? odd_slope - even_slope : slope;
        }
        return {mu, nu, slope};
    }

    template <bool kSigned>
    [[nodiscard]] Dual<T> dual(std::size_t j, Vec<T> w, Bits<T> opposite) const {
        constexpr T kSmall = T(0.125);
        if (near) return accurate<kSigned>(j, w, opposite);
        T least = w[0];
        for (std::size_t l = 1; l < kLanes<T>; ++l) least = w[l] < least ? w[l] : least;
        if (least < kSmall) return accurate<kSigned>(j, w, opposite);

        Vec<T> rho = 1 - w;
        if constexpr (kSigned) rho = flip<T>(rho, opposite & Types<T>::sign);
        const Vec<T> x = kParity == kAllDegrees ? rho : rho * rho;
        const auto n = static_cast<std::size_t>(terms[static_cast<int>((1 - least) * T(kExpandedBuckets))]);
        const T* column = columns + j + (n - 1) * stride;
        Vec<T> g = row[n - 1] * load(column);
        Vec<T> h{};
        for (std::size_t k = n - 1; k-- > 0;) {
            column -= stride;
            h = h * x + g;
            g = g * x + row[k] * load(column);
        }
        Vec<T> value = g;
        Vec<T> slope = h;
        if constexpr (kParity == kOddDegrees) {
            value = rho * g;
            slope = g + 2 * x * h;
        } else if constexpr (kParity == kEvenDegrees) {
            slope = 2 * rho * h;
        }
        const Vec<T> mu = 1 - value;
        const Vec<T> nu = 1 + value;
        if (any<T>((mu < splat(kSmall)) | (nu < splat(kSmall)))) return accurate<kSigned>(j, w, opposite);
        return {mu, nu, slope};
    }

    const T* columns;
    std::size_t stride, all;
    bool near;
    const T* terms;
    T row[kExpandedTerms];
};

template <class T>
void expanded(const LayerCall<T>& call) {
    const int parity = static_cast<int>(call.constants[0]);
    if (call.constants[2 + kExpandedBuckets] != 0) {
        if (parity == kOddDegrees) return affine_rows<T, SparseExpanded<T, kOddDegrees>>(call);
        if (parity == kEvenDegrees) return affine_rows<T, SparseExpanded<T, kEvenDegrees>>(call);
        return affine_rows<T, SparseExpanded<T, kAllDegrees>>(call);
    }
    if (parity == kOddDegrees) return affine_rows<T, Expanded<T, kOddDegrees>>(call);
    if (parity == kEvenDegrees) return affine_rows<T, Expanded<T, kEvenDegrees>>(call);
    return affine_rows<T, Expanded<T, kAllDegrees>>(call);
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
