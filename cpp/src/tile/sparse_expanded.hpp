// Hermite expansions on a lattice of degrees (ntkcore/lattice.hpp): ρ̂ = Σ_m c_m ρ^{2d_m} (+ odd ones: c_m ρ^{2d_m +
// 1}), c_m = b_m b_m' with the weights of the lattice in b. Sums of powers of z = ρ² are taken by Horner's rule level
// after level, in z, z², z⁴, ….
//
// A kink of σ at 0 leaves even terms that no lattice can end: those of γ|z|. So these are summed in closed form,
//   Σ_k a_k a_k' ρ^k = Σ_m (b_m b_m' − γγ' u_m) ρ^{2d_m} + γγ' κ(ρ),   κ = Σ_k j_k² ρ^k = (2/π)(sin θ + (π/2 − θ)cos
//   θ),
// with j_k = E[|z| h_k(z)] and u_m = weight_m j_k². Where |ρ| is not near 1, the difference γγ'(κ − Σ u_m ρ^k) is 0.
//
// As in expanded.hpp, sums without cancellation are taken where 1 − |ρ̂| may be small; p_l = 1 − z^{2^l} and
// p_{l+1} = p_l (2 − p_l) have all their digits. Levels whose ρ^k vanish add half of both Σ_k a_k² to 1 ∓ ρ̂.
#pragma once

#include "ab_relu.hpp"
#include "affine.hpp"
#include "expanded_tables.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

template <class T, int kParity>
struct SparseExpanded {
    static constexpr Sign kSign = Sign::any;
    static constexpr bool kEven = kParity != kOddDegrees;
    static constexpr bool kOdd = kParity != kEvenDegrees;
    static constexpr std::size_t kParts = kEven && kOdd ? 2 : 1;

    explicit SparseExpanded(const LayerCall<T>& call)
        : columns(call.tables),
          stride(call.stride),
          near(call.constants[1] != 0 || call.precise),
          needed(call.constants + 2),
          levels(static_cast<std::size_t>(call.constants[2 + kExpandedBuckets])),
          nodes((call.n_tables - levels) / kParts),
          gone(call.constants + 3 + kExpandedBuckets + levels),
          rest(gone[levels]),
          bend(gone + levels + 1) {
        for (std::size_t l = 0; l < levels; ++l) {
            start[l] = static_cast<std::size_t>(call.constants[3 + kExpandedBuckets + l]);
        }
        for (std::size_t t = 0; t < call.n_tables; ++t) row[t] = call.row_tables[t * call.row_stride];
    }

    struct Part {
        Vec<T> t{}, g{}, h{}, spread{};
        void add(Vec<T> c, Vec<T> y) {
            h = h * y + g;
            g = g * y + t;
            t += c;
        }
        // from sums over powers of y² to the same over powers of y
        void level_down(Vec<T> y) {
            h = g + 2 * y * (1 + y) * h;
            g = (1 + y) * g;
        }
    };

    template <bool kSigned>
    [[nodiscard]] Dual<T> accurate(std::size_t j, Vec<T> w, Bits<T> opposite, T least) const {
        std::size_t used = levels;
        while (used > 1 && least >= gone[used - 1]) --used;
        const bool whole = used == levels;
        const Vec<T> rho = 1 - w;
        const Vec<T> p = w * (2 - w);
        const Vec<T> z = 1 - p;
        Vec<T> power[kExpandedLevels];
        Vec<T> complement = p;
        power[0] = z;
        for (std::size_t l = 1; l < used; ++l) {
            complement = complement * (2 - complement);
            power[l] = 1 - complement;
        }
        const std::size_t last = kParts * nodes;
        const Vec<T> gamma_column = load(columns + last * stride + j);
        const Vec<T> gamma = whole ? row[last] * gamma_column : Vec<T>{};
        Part even, odd;
        const auto add = [&](std::size_t m, Vec<T> y) {
            const T* column = columns + m * kParts * stride + j;
            const T* a = row + m * kParts;
            if constexpr (kEven) {
                const Vec<T> b = load(column);
                const Vec<T> difference = a[0] - b;
                even.spread += difference * difference;
                even.add(a[0] * b - gamma * bend[m], y);
            }
            if constexpr (kOdd) {
                const Vec<T> b = load(column + (kParts - 1) * stride);
                const Vec<T> difference = a[kParts - 1] - b;
                odd.spread += difference * difference;
                odd.add(a[kParts - 1] * b, y);
            }
        };
        std::size_t m = whole ? nodes : start[used];
        for (std::size_t l = used; l-- > 0;) {
            // the step from node m + 1 to node m is that of the level of m
            while (m > start[l]) add(--m, power[l]);
            if (l > 0) {
                if constexpr (kEven) even.level_down(power[l - 1]);
                if constexpr (kOdd) odd.level_down(power[l - 1]);
            }
        }
        Vec<T> even_gap = p * even.g;
        Vec<T> even_slope = 2 * rho * (even.g - p * even.h);
        const Vec<T> odd_gap = w * odd.t + (rho * p) * odd.g;
        const Vec<T> odd_slope = (odd.t - p * odd.g) + 2 * z * (odd.g - p * odd.h);
        Vec<T> faded{};
        if (!whole) faded = row[last + used] + load(columns + (last + used) * stride + j);
        if (kEven && whole) {
            const Angle<T> phi = angle<T, false>(w);
            const Vec<T> difference = row[last] - gamma_column;
            even.t += gamma;
            even.spread += rest * (difference * difference);
            even_gap += gamma * (w - phi.y);
            even_slope += gamma * (1 - phi.a2);
        }
        const Vec<T> spread = T(0.5) * ((even.spread + odd.spread) + faded);
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
        T least = w[0];
        for (std::size_t l = 1; l < kLanes<T>; ++l) least = w[l] < least ? w[l] : least;
        if (near || least < kSmall) return accurate<kSigned>(j, w, opposite, least);

        Vec<T> rho = 1 - w;
        if constexpr (kSigned) rho = flip<T>(rho, opposite & Types<T>::sign);
        std::size_t m = static_cast<std::size_t>(needed[static_cast<int>((1 - least) * T(kExpandedBuckets))]) - 1;
        Vec<T> power[kExpandedLevels];
        power[0] = rho * rho;
        std::size_t level = 0;
        for (; level + 1 < levels && start[level + 1] < m; ++level) power[level + 1] = power[level] * power[level];
        const T* column = columns + m * kParts * stride + j;
        Vec<T> g[kParts], h[kParts];
        for (std::size_t i = 0; i < kParts; ++i) {
            g[i] = row[m * kParts + i] * load(column + i * stride);
            h[i] = Vec<T>{};
        }
        for (;; --level) {
            const Vec<T> y = power[level];
            while (m > start[level]) {
                --m;
                column -= kParts * stride;
                for (std::size_t i = 0; i < kParts; ++i) {
                    h[i] = h[i] * y + g[i];
                    g[i] = g[i] * y + row[m * kParts + i] * load(column + i * stride);
                }
            }
            if (level == 0) break;
            for (std::size_t i = 0; i < kParts; ++i) h[i] *= 2 * power[level - 1];
        }
        Vec<T> value{}, slope{};
        if constexpr (kEven) {
            value = g[0];
            slope = 2 * rho * h[0];
        }
        if constexpr (kOdd) {
            value += rho * g[kParts - 1];
            slope += g[kParts - 1] + 2 * power[0] * h[kParts - 1];
        }
        const Vec<T> mu = 1 - value;
        const Vec<T> nu = 1 + value;
        if (any<T>((mu < splat(kSmall)) | (nu < splat(kSmall)))) return accurate<kSigned>(j, w, opposite, least);
        return {mu, nu, slope};
    }

    const T* columns;
    std::size_t stride;
    bool near;
    const T* needed;
    std::size_t levels, nodes;
    const T* gone;
    T rest;
    const T* bend;
    std::size_t start[kExpandedLevels];
    T row[kExpandedTerms];
};

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
