// From the state of a row to the result: scales, transposition, and stores past the caches.
#pragma once

#include <utility>

#include "kernels.hpp"
#include "simd.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

template <class T>
void store_sigma(const StoreCall<T>& call) {
    std::size_t j = call.first;
    for (; j + kLanes<T> <= call.last; j += kLanes<T>) {
        const Vec<T> x = load(call.state + j);
        const Vec<T> rho = flip<T>(T(1) - abs<T>(x), sign_bits<T>(x));
        store(call.out + j, rho * (call.scale_row * load(call.scale + j)));
    }
    for (; j < call.last; ++j) {
        const T x = call.state[j];
        const T rho = __builtin_signbit(x) != 0 ? -(1 + x) : 1 - x;
        call.out[j] = rho * (call.scale_row * call.scale[j]);
    }
}

template <class T>
void store_theta(const StoreCall<T>& call) {
    std::size_t j = call.first;
    for (; j + kLanes<T> <= call.last; j += kLanes<T>) {
        store(call.out + j, load(call.state + j) * (call.scale_row * load(call.scale + j)));
    }
    for (; j < call.last; ++j) call.out[j] = call.state[j] * (call.scale_row * call.scale[j]);
}

// Transposes n × n in registers, in each n lanes of them: stage b exchanges the off-diagonal blocks of size b of every
// 2b × 2b block.
template <class T, std::size_t n = kLanes<T>, std::size_t b = n / 2>
inline void transpose_registers(Vec<T>* x) {
    if constexpr (b > 0) {
        const auto exchange = [&]<std::size_t... l>(std::index_sequence<l...>) {
            for (std::size_t i = 0; i < n; ++i) {
                if ((i & b) != 0) continue;
                const Vec<T> upper = x[i];
                const Vec<T> lower = x[i + b];
                x[i] = __builtin_shufflevector(upper, lower, ((l & b) == 0 ? l : kLanes<T> + l - b)...);
                x[i + b] = __builtin_shufflevector(upper, lower, ((l & b) == 0 ? l + b : kLanes<T> + l)...);
            }
        };
        exchange(std::make_index_sequence<kLanes<T>>{});
        transpose_registers<T, n, b / 2>(x);
    }
}

template <class T>
void transpose(std::size_t m, std::size_t n, const T* in, std::ptrdiff_t in_stride, T* out, std::ptrdiff_t out_stride) {
    constexpr std::size_t L = kLanes<T>;
    constexpr auto step = static_cast<std::ptrdiff_t>(L);
    const auto scalar = [&](std::size_t i0, std::size_t i1, std::size_t j0, std::size_t j1) {
        for (std::size_t j = j0; j < j1; ++j) {
            T* to = out + static_cast<std::ptrdiff_t>(j) * out_stride;
            for (std::size_t i = i0; i < i1; ++i)
                to[i] = in[static_cast<std::ptrdiff_t>(i) * in_stride + static_cast<std::ptrdiff_t>(j)];
        }
    };
    const std::size_t whole_m = m / L * L;
    const std::size_t whole_n = n / L * L;
    for (std::size_t j = 0; j < whole_n; j += L) {
        const T* from = in + j;
        T* to = out + static_cast<std::ptrdiff_t>(j) * out_stride;
        for (std::size_t i = 0; i < whole_m; i += L, from += step * in_stride, to += L) {
            Vec<T> x[L];
            for (std::size_t l = 0; l < L; ++l) x[l] = load(from + static_cast<std::ptrdiff_t>(l) * in_stride);
            transpose_registers<T>(x);
            for (std::size_t l = 0; l < L; ++l) store(to + static_cast<std::ptrdiff_t>(l) * out_stride, x[l]);
        }
    }
    scalar(whole_m, m, 0, n);
    scalar(0, whole_m, whole_n, n);
}

template <class T>
void copy(std::size_t n, const T* in, T* out, bool past_cache) {
    constexpr std::size_t kLine = 64;
    std::size_t j = 0;
    if (past_cache) {
        const auto address = reinterpret_cast<std::uintptr_t>(out);
        const std::size_t head = (kLine - address % kLine) % kLine / sizeof(T);
        for (; j < head && j < n; ++j) out[j] = in[j];
        for (; j + kLine / sizeof(T) <= n; j += kLine / sizeof(T)) {  // a whole line at a time
            for (std::size_t l = 0; l < kLine / sizeof(T); l += kLanes<T>) stream<T>(out + j + l, load(in + j + l));
        }
    }
    for (; j + kLanes<T> <= n; j += kLanes<T>) store(out + j, load(in + j));
    for (; j < n; ++j) out[j] = in[j];
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
