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
// Between the passes of a row.
template <class T>
using Buffer = T (*)[kPanel];

// How the sign of ρ̂ depends on that of ρ: never negative; the same, with one |ρ̂| (then μ = 1 − |ρ̂|, and ν is not
// read); not negative where ρ is not; any.
enum class Sign { positive, odd, follows, any };

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
    // In passes: the formula of the family, in one or more, and the affine map. Each is a long chain of operations,
    // and the shorter the chain, the more columns the processor works on at the same time.
    constexpr bool kPrepared = requires { &F::passes; };
    alignas(64) T buffer[3][kPanel];
    const auto form = [&](std::size_t j) {
        const Vec<T> u = load(u_row + j);
        const Vec<T> w = kSigned ? abs<T>(u) : u;
        Bits<T> opposite{};
        if constexpr (kSigned) opposite = negative<T>(u);
        if constexpr (kPrepared) {
            return family.template dual<kSigned>(j, w, opposite, buffer);
        } else {
            return family.template dual<kSigned>(j, w, opposite);
        }
    };
    const auto map = [&](std::size_t j, Vec<T> mu, Vec<T> nu, Vec<T> slope) {
        const Vec<T> rj = load(r + j);
        const Vec<T> sj = load(s + j);
        const Vec<T> dr = r_row - rj;
        const Vec<T> ds = s_row - sj;
        const Vec<T> spread = dr * dr + ds * ds;
        const Vec<T> big_r = twice_r * rj;
        Vec<T> next = abs<T>(big_r * mu + spread);  // 1 − ρ⁺, negative by a rounding error at most
        Vec<T> rho;
        if constexpr (F::kSign == Sign::odd && kSigned) {
            const Vec<T> u = load(u_row + j);
            const Vec<T> o = next + 4 * (s_row * sj);
            next = negative<T>(u) ? o : next;  // 1 ∓ ρ⁺ for the sign of ρ
            rho = flip<T>(1 - next, sign_bits<T>(u));
            next = with_sign<T>(abs<T>(minimum<T>(next, 2 - next)), sign_bits<T>(rho));
        } else if constexpr (kOpposite) {
            const Vec<T> o = big_r * nu + (spread + 4 * (s_row * sj));  // 1 + ρ⁺
            next = o < next ? minus_abs<T>(o) : next;
            rho = flip<T>(1 - abs<T>(next), sign_bits<T>(next));
        } else {
            rho = 1 - next;
        }
        store(u_row + j, next);
        if (theta != nullptr) store(theta + j, load(theta + j) * (big_r * slope) + rho);
        if (dot != nullptr) store(dot + j, slope);
    };
    if constexpr (kPrepared) {
        family.passes(call.begin, end, u_row, buffer);
        for (std::size_t j = call.begin; j < end; j += kLanes<T>) {
            const Dual<T> dual = form(j);
            map(j, dual.mu, dual.nu, dual.slope);
        }
    } else {
        for (std::size_t j = call.begin; j < end; j += kLanes<T>) {
            const Dual<T> dual = form(j);
            store(buffer[0] + j, dual.mu);
            if constexpr (kOpposite) store(buffer[1] + j, dual.nu);
            store(buffer[2] + j, dual.slope);
        }
        for (std::size_t j = call.begin; j < end; j += kLanes<T>) {
            map(j, load(buffer[0] + j), kOpposite ? load(buffer[1] + j) : Vec<T>{}, load(buffer[2] + j));
        }
    }
}

template <class T, class F>
void affine_rows(const LayerCall<T>& call) {
    if (call.nonnegative) return affine_row<T, F, false>(call);
    return affine_row<T, F, true>(call);
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
