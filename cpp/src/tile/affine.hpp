// One row of pairs through an activation and the affine map behind it, for every family but ab_relu.
//
// A family F<T> reads its tables of one pair and gives
//   μ = 1 − ρ̂,   ν = 1 + ρ̂,   D = ∂ρ̂/∂ρ
// of its normalised dual ρ̂(ρ) = E[σσ']/√(E[σ²] E[σ'²]). With R = r_i r_j, r² = A/q⁺, s² = σ_b²/q⁺ = 1 − r² the map
// gives
//   1 − ρ⁺ = ½((r_i−r_j)² + (s_i−s_j)²) + R μ
//   1 + ρ⁺ = ½((r_i−r_j)² + (s_i−s_j)²) + 2 s_i s_j + R ν
//   Θ⁺/√(q⁺q⁺') = R D Θ/√(qq') + ρ⁺        (Price's theorem: Σ̇ √(qq') = ∂Σ/∂ρ, so that no q appears)
// without any cancellation. The tables hold r/√2 and s/√2.
#pragma once

#include "elementary.hpp"
#include "kernels.hpp"
#include "simd.hpp"
#include "tables.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

template <class T>
struct Dual {
    Vec<T> mu, nu, slope;
};

// How the sign of ρ̂ depends on that of ρ: never negative; not negative where ρ is not; any.
enum class Sign { positive, follows, any };

// Where the tables of the columns and of the row lie.
template <class T>
struct Tables {
    explicit Tables(const LayerCall<T>& call)
        : columns(call.tables), stride(call.stride), rows(call.row_tables), row_stride(call.row_stride) {}
    [[nodiscard]] Vec<T> column(std::size_t table, std::size_t j) const { return load(columns + table * stride + j); }
    [[nodiscard]] T row(std::size_t table) const { return rows[table * row_stride]; }

    const T* columns;
    std::size_t stride;
    const T* rows;
    std::size_t row_stride;
};

// 1 and 0 for networks without bias.
template <class T>
struct NoBias {
    T one[kPanel], zero[kPanel];
    constexpr NoBias() : one(), zero() {
        for (T& x : one) x = 1;
    }
};
template <class T>
constexpr NoBias<T> kNoBias{};

template <class T, class F, bool kSigned>
void affine_row(const LayerCall<T>& call) {
    constexpr bool kOpposite = F::kSign == Sign::any || (F::kSign == Sign::follows && kSigned);
    const F family(call);
    const bool bias = call.r != nullptr;
    const T* const r = bias ? call.r : kNoBias<T>.one;
    const T* const s = bias ? call.s : kNoBias<T>.zero;
    const T r_row = bias ? call.r_row : T(1);
    const T s_row = call.s_row;
    const T twice_r = bias ? 2 * call.r_row : T(1);
    T* const u_row = call.u;
    T* const theta = call.theta;
    T* const dot = call.dot;
    const std::size_t end = call.end;
    // In two passes: the formula of the family, and the affine map. Each is a long chain of operations, and the shorter
    // the chain, the more columns the processor works on at the same time.
    alignas(64) T buffer[3][kPanel];
    for (std::size_t j = call.begin; j < end; j += kLanes<T>) {
        const Vec<T> u = load(u_row + j);
        const Vec<T> w = kSigned ? abs<T>(u) : u;
        Bits<T> opposite{};
        if constexpr (kSigned) opposite = negative<T>(u);
        const Dual<T> dual = family.template dual<kSigned>(j, w, opposite);
        store(buffer[0] + j, dual.mu);
        if constexpr (kOpposite) store(buffer[1] + j, dual.nu);
        store(buffer[2] + j, dual.slope);
    }
    for (std::size_t j = call.begin; j < end; j += kLanes<T>) {
        const Vec<T> rj = load(r + j);
        const Vec<T> sj = load(s + j);
        const Vec<T> dr = r_row - rj;
        const Vec<T> ds = s_row - sj;
        const Vec<T> spread = dr * dr + ds * ds;
        const Vec<T> big_r = twice_r * rj;
        const Vec<T> slope = load(buffer[2] + j);
        Vec<T> next = abs<T>(big_r * load(buffer[0] + j) + spread);  // 1 − ρ⁺, negative by a rounding error at most
        Vec<T> rho;
        if constexpr (kOpposite) {
            const Vec<T> o = big_r * load(buffer[1] + j) + (spread + 4 * (s_row * sj));  // 1 + ρ⁺
            next = o < next ? minus_abs<T>(o) : next;
            rho = flip<T>(1 - abs<T>(next), sign_bits<T>(next));
        } else {
            rho = 1 - next;
        }
        store(u_row + j, next);
        if (theta != nullptr) store(theta + j, load(theta + j) * (big_r * slope) + rho);
        if (dot != nullptr) store(dot + j, slope);
    }
}

template <class T, class F>
void affine_rows(const LayerCall<T>& call) {
    if (call.nonnegative) return affine_row<T, F, false>(call);
    return affine_row<T, F, true>(call);
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
