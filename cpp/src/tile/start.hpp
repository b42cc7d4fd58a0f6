// The signed versines of one row of pairs, from the features or from the product of the centred samples.
#pragma once

#include "kernels.hpp"
#include "simd.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

// ρ ≥ 0: u = 1 − ρ = v; ρ < 0: u = −(1 + ρ) = −(2 − v), with the sign bit also on −0. Either can be negative by a
// rounding error; its absolute value is as good and cheaper than a maximum.
template <class T>
inline Vec<T> signed_versine(Vec<T> v, Vec<T> opposite) {
    return v > splat<T>(1) ? minus_abs<T>(opposite) : abs<T>(v);
}

// u and, where wanted, ρ of one vector of columns.
template <class T>
inline void store_start(T* u, T* rho, std::size_t j, Vec<T> value) {
    store(u + j, value);
    if (rho != nullptr) store(rho + j, flip<T>(1 - abs<T>(value), sign_bits<T>(value)));
}

// ½|x̂ ∓ x̂'|² of one row and one vector of columns.
template <class T, bool kOpposite, class Call>
inline Vec<T> half_distance(const Call& call, const T* x, std::size_t j) {
    Vec<T> sum{};
    for (std::size_t k = 0; k < call.features; ++k) {
        const Vec<T> a = splat(x[k * kPanel]);
        const Vec<T> b = load(call.col_panel + k * kPanel + j);
        const Vec<T> d = kOpposite ? a + b : a - b;
        sum += d * d;
    }
    return sum;
}

// Few features: the sum of squared differences, and of sums where the samples are nearly opposite.
template <class T>
inline void start_by_differences(const StartDirect<T>& call, const T* x, std::size_t j) {
    const Vec<T> v = half_distance<T, false>(call, x, j);
    Vec<T> opposite = 2 - v;
    const Vec<T> limit = splat(T(1.75));
    if (any_greater(v, limit)) opposite = v > limit ? half_distance<T, true>(call, x, j) : opposite;
    store_start<T>(call.u, call.rho, j, signed_versine<T>(v, opposite));
}

// More features: the inner product, one operation per feature instead of two; differences (or sums) where it is no
// longer accurate, within 26° of parallel (or opposite).
template <class T, std::size_t N>
inline void start_by_products(const StartDirect<T>& call, const T* x, std::size_t j) {
    Vec<T> half_rho[N] = {};  // the features are x̂/√2
    for (std::size_t k = 0; k < call.features; ++k) {
        const Vec<T> a = splat(x[k * kPanel]);
        const T* b = call.col_panel + k * kPanel + j;
#pragma GCC unroll 8
        for (std::size_t n = 0; n < N; ++n) half_rho[n] += a * load(b + n * kLanes<T>);
    }
    for (std::size_t n = 0; n < N; ++n) {
        const std::size_t at = j + n * kLanes<T>;
        const Vec<T> size = abs<T>(half_rho[n]);
        const Bits<T> sign = sign_bits<T>(half_rho[n]);
        Vec<T> w = 1 - 2 * size;
        const Vec<T> limit = splat(T(0.45));
        if (any_greater(size, limit)) {
            const Vec<T> exact = sign != 0 ? half_distance<T, true>(call, x, at) : half_distance<T, false>(call, x, at);
            w = size > limit ? exact : w;
        }
        store_start<T>(call.u, call.rho, at, flip<T>(w, sign));
    }
}

template <class T>
void start_direct(const StartDirect<T>& call) {
    constexpr std::size_t kUnroll = kBytes == 32 ? 8 : 4;
    constexpr std::size_t kFew = 4;
    const T* x = call.row_panel + call.row;
    std::size_t j = call.begin;
    if (call.features <= kFew) {
        for (; j < call.end; j += kLanes<T>) start_by_differences<T>(call, x, j);
        return;
    }
    for (; j + kUnroll * kLanes<T> <= call.end; j += kUnroll * kLanes<T>) start_by_products<T, kUnroll>(call, x, j);
    for (; j < call.end; j += kLanes<T>) start_by_products<T, 1>(call, x, j);
}

template <class T>
inline T total(Vec<T> x) {
    T sum = 0;
    for (std::size_t l = 0; l < kLanes<T>; ++l) sum += x[l];
    return sum;
}

// The signed versine of one pair from its features.
template <class T>
T refine(const StartProduct<T>& call, std::size_t column, bool opposite) {
    const T* a = call.row;
    const T* b = call.col_rows + column * call.feature_stride;
    Vec<T> sum{};
    for (std::size_t k = 0; k < call.feature_stride; k += kLanes<T>) {
        const Vec<T> d = opposite ? load(a + k) + load(b + k) + 2 * load(call.centre + k) : load(a + k) - load(b + k);
        sum += d * d;
    }
    const T half = T(0.5) * total<T>(sum);
    return opposite ? -half : half;
}

template <class T>
void start_product(const StartProduct<T>& call) {
    // v carries an error of a few ε·(½|a|² + ½|a'|²), that is δv/√(2v) in the angle: below these limits too much.
    constexpr T kNear = sizeof(T) == 4 ? T(0.2) : T(0.02);
    constexpr T kOpposite = T(0.25);
    for (std::size_t j = call.begin; j < call.end; j += kLanes<T>) {
        const Vec<T> size = call.half_norm_row + load(call.half_norm + j);
        const Vec<T> v = size - load(call.product + j);
        const Vec<T> opposite = T(2) - v;
        const Bits<T> doubtful = (v < kNear * size * size) | (opposite < splat<T>(kOpposite));
        store_start<T>(call.u, call.rho, j, signed_versine<T>(v, opposite));
        if (any<T>(doubtful)) {
            for (std::size_t l = 0; l < kLanes<T> && j + l < call.columns; ++l) {
                if (doubtful[l] == 0) continue;
                const T u = refine<T>(call, j + l, v[l] > 1);
                call.u[j + l] = u;
                if (call.rho != nullptr) call.rho[j + l] = __builtin_signbit(u) != 0 ? -(1 + u) : 1 - u;
            }
        }
    }
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
