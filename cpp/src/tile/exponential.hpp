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

    void passes(std::size_t begin, std::size_t end, const T* u_row, Buffer<T> buffer) const {
        const T half = T(0.5);
        decay_row<T>(
            begin, end,
            [&](std::size_t j) {
                const Vec<T> u = load(u_row + j);
                const Vec<T> qj = tables.column(kExponentialQ, j);
                Vec<T> d = q - qj;
                if constexpr (kLow) d += low - tables.column(kExponentialLow, j);
                const Vec<T> v = negative<T>(u) ? 2 - abs<T>(u) : u;
                return half * d * d + (q * qj) * v;
            },
            buffer[0], buffer[1]);
    }

    template <bool kSigned>
    [[nodiscard]] Dual<T> dual(std::size_t j, Vec<T> /*w*/, Bits<T> /*opposite*/, Buffer<T> buffer) const {
        return {load(buffer[1] + j), Vec<T>{}, (q * tables.column(kExponentialQ, j)) * load(buffer[0] + j)};
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
    const auto some = [&]<std::size_t N>(std::size_t first, std::integral_constant<std::size_t, N>) {
        Vec<T> h[N];
        Decay<T> e[N];
        for (std::size_t v = 0; v < N; ++v) {
            const Vec<T> u = load(u_row + first + v * kLanes<T>);
            if constexpr (kSigned) {
                h[v] = y * (negative<T>(u) ? 2 - abs<T>(u) : u);
            } else {
                h[v] = y * u;
            }
        }
        decays<T, N>(h, e);
        for (std::size_t v = 0; v < N; ++v) {
            const std::size_t j = first + v * kLanes<T>;
            const Vec<T> next = big_r * e[v].complement;
            store(u_row + j, next);
            if (theta != nullptr) store(theta + j, load(theta + j) * (gain * e[v].value) + (1 - next));
            if (dot != nullptr) store(dot + j, y * e[v].value);
        }
    };
    constexpr std::size_t N = 2;
    std::size_t j = call.begin;
    for (; j + N * kLanes<T> <= end; j += N * kLanes<T>) some(j, std::integral_constant<std::size_t, N>{});
    for (; j < end; j += kLanes<T>) some(j, std::integral_constant<std::size_t, 1>{});
}

template <class T>
void exponential(const LayerCall<T>& call) {
    if (!call.uniform) return affine_rows<T, Exponential<T>>(call);
    if (call.nonnegative) return exponential_uniform<T, false>(call);
    return exponential_uniform<T, true>(call);
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
