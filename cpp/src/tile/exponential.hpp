// The layers a·exp(bx), Q = |b|√q, and √2 sin(√(2γ) x + π/4), Q = √(2γ q) (random Fourier features, Rahimi & Recht
// 2007): E[σσ'] is proportional to exp(−½(Q_i² + Q_j²) + Q_i Q_j ρ) up to factors of one sample each, hence in both
// cases
//   ρ̂ = e^{−h},   h = ½(Q_i − Q_j)² + Q_i Q_j (1 − ρ),   ∂ρ̂/∂ρ = Q_i Q_j ρ̂.
// Where h is large, float32 has lost digits of the difference already in Q: its tables hold Q with twice the digits.
#pragma once

#include "affine.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

template <class T>
struct Exponential {
    static constexpr Sign kSign = Sign::positive;
    static constexpr bool kLow = sizeof(T) == sizeof(float);

    explicit Exponential(const LayerCall<T>& call) : tables(call), q(tables.row(kExponentialQ)) {
        if constexpr (kLow) low = tables.row(kExponentialLow);
    }

    template <bool kSigned>
    [[nodiscard]] Dual<T> dual(std::size_t j, Vec<T> w, Bits<T> opposite) const {
        const Vec<T> qj = tables.column(kExponentialQ, j);
        Vec<T> d = q - qj;
        if constexpr (kLow) d += low - tables.column(kExponentialLow, j);
        const Vec<T> y = q * qj;
        Vec<T> v = w;
        if constexpr (kSigned) v = opposite ? 2 - w : w;
        const auto [value, complement] = decay<T>(T(0.5) * d * d + y * v);
        return {complement, Vec<T>{}, y * value};
    }

    Tables<T> tables;
    T q, low = 0;
};

// All samples have the same Q and the same r: h = Q²(1 − ρ), and no spread.
template <class T, bool kSigned>
void exponential_uniform(const LayerCall<T>& call) {
    const T q = call.row_tables[0];
    const T y = q * q;
    const T big_r = call.r != nullptr ? 2 * call.r_row * call.r_row : T(1);
    const T gain = big_r * y;
    T* const u_row = call.u;
    T* const theta = call.theta;
    T* const dot = call.dot;
    const std::size_t end = call.end;
    for (std::size_t j = call.begin; j < end; j += kLanes<T>) {
        const Vec<T> u = load(u_row + j);
        Vec<T> v = u;
        if constexpr (kSigned) v = negative<T>(u) ? 2 - abs<T>(u) : u;
        const auto [value, complement] = decay<T>(y * v);
        const Vec<T> next = big_r * complement;
        store(u_row + j, next);
        if (theta != nullptr) store(theta + j, load(theta + j) * (gain * value) + (1 - next));
        if (dot != nullptr) store(dot + j, y * value);
    }
}

template <class T>
void exponential(const LayerCall<T>& call) {
    if (!call.uniform) return affine_rows<T, Exponential<T>>(call);
    if (call.nonnegative) return exponential_uniform<T, false>(call);
    return exponential_uniform<T, true>(call);
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
