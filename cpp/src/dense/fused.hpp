// The backward pass of few points: bound by the memory that W lies in, so every row of W passes through once.
#pragma once

#include "products.hpp"

namespace ntkcore::dense::NTKCORE_ISA {
namespace {

#if defined(__AVX512F__)
constexpr std::size_t kFusedRows = 4;  // 16 registers of D, 8 of W
#else
constexpr std::size_t kFusedRows = 2;
#endif
constexpr std::size_t rows_with(std::size_t points) { return points <= 4 ? kFusedRows : kFusedRows / 2; }

template <class T, std::size_t R, std::size_t K>
void fused_rows(const Fused<T>& call, std::size_t i) {
    constexpr std::size_t L = kLanes<T>;
    constexpr std::size_t kAhead = 2 * kFusedRows;
    Vec<T> d[R][K];
    for (std::size_t r = 0; r < R; ++r) {
        for (std::size_t p = 0; p < K; ++p) d[r][p] = splat(call.d[p * call.ldd + i + r]);
    }
    T* const w = call.w + i * call.ldw;
    const bool ahead = i + kAhead + R <= call.m;
    const auto columns = [&](std::size_t j, const auto& get, const auto& put) {
        Vec<T> old[R];
        Vec<T> change[R] = {};
        for (std::size_t r = 0; r < R; ++r) {
            old[r] = get(w + r * call.ldw + j);
            if (ahead) __builtin_prefetch(w + (r + kAhead) * call.ldw + j, 1, 2);
        }
        for (std::size_t p = 0; p < K; ++p) {
            const Vec<T> a = get(call.a + p * call.lda + j);
            Vec<T> e = get(call.e + p * call.lde + j);
            for (std::size_t r = 0; r < R; ++r) {
                e += d[r][p] * old[r];
                change[r] += d[r][p] * a;
            }
            put(call.e + p * call.lde + j, e);
        }
        for (std::size_t r = 0; r < R; ++r) put(w + r * call.ldw + j, old[r] + change[r] * call.alpha);
    };
    std::size_t j = 0;
    for (; j + L <= call.n; j += L) {
        columns(j, [](const T* at) { return load(at); }, [](T* at, Vec<T> v) { store(at, v); });
    }
    if (j < call.n) {
        const std::size_t rest = call.n - j;
        columns(
            j, [rest](const T* at) { return load_part(at, rest); },
            [rest](T* at, Vec<T> v) { store_part(at, v, rest); });
    }
}

template <class T>
using FusedRows = void (*)(const Fused<T>&, std::size_t);

template <class T, std::size_t R, std::size_t K>
constexpr FusedRows<T> fused_tile() {
    if constexpr (R <= rows_with(K)) {
        return fused_rows<T, R, K>;
    } else {
        return nullptr;
    }
}
template <class T, std::size_t... i>
constexpr Table<FusedRows<T>, sizeof...(i)> fused_tiles(std::index_sequence<i...>) {
    return {{fused_tile<T, i / kFusedPoints + 1, i % kFusedPoints + 1>()...}};
}

template <class T>
void fused(const Fused<T>& call) {
    static constexpr auto kTiles = fused_tiles<T>(std::make_index_sequence<kFusedRows * kFusedPoints>{});
    const std::size_t most = rows_with(call.k);
    for (std::size_t i = 0; i < call.m; i += most) {
        const std::size_t r = call.m - i < most ? call.m - i : most;
        kTiles.tile[(r - 1) * kFusedPoints + call.k - 1](call, i);
    }
}

}  // namespace
}  // namespace ntkcore::dense::NTKCORE_ISA
