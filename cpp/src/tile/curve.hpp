// Kernels that depend on the angle alone: Chebyshev series in θ = arccos ρ take the place of all layers.
#pragma once

#include "ab_relu.hpp"
#include "kernels.hpp"
#include "simd.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

// Σ c_k T_k(x) of N vectors by Clenshaw's recurrence; one multiply-add of latency per term.
template <class T, std::size_t N>
inline void clenshaw(const T* c, std::size_t n, const Vec<T> (&x)[N], Vec<T> (&sum)[N]) {
    Vec<T> later[N] = {}, twice[N];
    for (std::size_t v = 0; v < N; ++v) {
        sum[v] = Vec<T>{};
        twice[v] = x[v] + x[v];
    }
    for (std::size_t k = n - 1; k > 0; --k) {
        for (std::size_t v = 0; v < N; ++v) {
            const Vec<T> next = twice[v] * sum[v] + (c[k] - later[v]);
            later[v] = sum[v];
            sum[v] = next;
        }
    }
    for (std::size_t v = 0; v < N; ++v) sum[v] = x[v] * sum[v] + (c[0] - later[v]);
}

template <class T, std::size_t N>
inline void curve_columns(const CurveCall<T>& call, std::size_t j) {
    constexpr std::size_t L = kLanes<T>;
    Vec<T> x[N], value[N];
    for (std::size_t v = 0; v < N; ++v) {
        const Vec<T> u = load(call.u + j + v * L);
        const Vec<T> a2 = angle<T, false>(abs<T>(u)).a2;  // 2 arccos|ρ|/π
        if (call.bent) {
            const Vec<T> twice = sign_bits<T>(u) ? 2 - a2 : a2;  // 2τ
            x[v] = 2 * ((1 + call.bend) * twice / (twice + 2 * call.bend)) - 1;
        } else {
            x[v] = flip<T>(1 - a2, ~sign_bits<T>(u) & Types<T>::sign);  // 2θ/π − 1
        }
    }
    if (call.theta_terms > 0) {
        clenshaw<T, N>(call.theta_series, call.theta_terms, x, value);
        for (std::size_t v = 0; v < N; ++v) store(call.theta + j + v * L, value[v]);
    }
    if (call.dot_terms > 0) {
        clenshaw<T, N>(call.dot_series, call.dot_terms, x, value);
        for (std::size_t v = 0; v < N; ++v) store(call.dot + j + v * L, value[v]);
    }
    if (call.rho_terms > 0) {
        clenshaw<T, N>(call.rho_series, call.rho_terms, x, value);
        for (std::size_t v = 0; v < N; ++v) {
            store(call.u + j + v * L, flip<T>(abs<T>(1 - abs<T>(value[v])), sign_bits<T>(value[v])));
        }
    }
}

template <class T>
void curve(const CurveCall<T>& call) {
    constexpr std::size_t N = 4;
    std::size_t j = call.begin;
    for (; j + N * kLanes<T> <= call.end; j += N * kLanes<T>) curve_columns<T, N>(call, j);
    for (; j < call.end; j += kLanes<T>) curve_columns<T, 1>(call, j);
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
