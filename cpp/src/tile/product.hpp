// The matrix product of the packed samples. It differs from a BLAS in what it need not do: the samples are packed once
// for all tiles, and one packing serves both sides.
#pragma once

#include "kernels.hpp"
#include "simd.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

// Short sums round off little, and a strip stays in the L1 cache. Equal terms (binary features) round off alike: half
// the length in float32 keeps 10⁻⁷ there too.
template <class T>
constexpr std::size_t kFeatureChunk = sizeof(T) == 4 ? 32 : 64;

// c[r][·] (+)= Σ_k a[k][r] b[k][·] for kRowGroup rows and kVectors vectors, all in registers.
template <class T, std::size_t kVectors>
inline void micro_product(std::size_t features, const T* a, const T* b, T* c, bool add) {
    constexpr std::size_t L = kLanes<T>;
    Vec<T> sum[kRowGroup][kVectors] = {};
    for (std::size_t k = 0; k < features; ++k) {
        Vec<T> right[kVectors];
        for (std::size_t v = 0; v < kVectors; ++v) right[v] = load(b + k * kStrip<T> + v * L);
        for (std::size_t r = 0; r < kRowGroup; ++r) {
            const Vec<T> left = splat(a[k * kStrip<T> + r]);
            for (std::size_t v = 0; v < kVectors; ++v) sum[r][v] += left * right[v];
        }
    }
    for (std::size_t r = 0; r < kRowGroup; ++r) {
        for (std::size_t v = 0; v < kVectors; ++v) {
            T* to = c + r * kPanel + v * L;
            store(to, add ? load(to) + sum[r][v] : sum[r][v]);
        }
    }
}

template <class T>
void product(const ProductCall<T>& call) {
    // As many vectors as registers allow: 8 × 2 of 32 with AVX-512, else 8 × 1 of 16.
    constexpr std::size_t kVectors = kBytes == 64 ? 2 : 1;
    constexpr std::size_t kWidth = kVectors * kLanes<T>;
    for (std::size_t k0 = 0; k0 < call.features; k0 += kFeatureChunk<T>) {
        const std::size_t n = call.features - k0 < kFeatureChunk<T> ? call.features - k0 : kFeatureChunk<T>;
        for (std::size_t j = call.j0; j < call.j1; j += kWidth) {
            const T* b = call.col_strips + (j / kStrip<T> * call.features + k0) * kStrip<T> + j % kStrip<T>;
            for (std::size_t i = call.i0; i < call.i1; i += kRowGroup) {
                const T* a = call.row_strips + (i / kStrip<T> * call.features + k0) * kStrip<T> + i % kStrip<T>;
                micro_product<T, kVectors>(n, a, b, call.product + (i - call.i0) * kPanel + (j - call.j0), k0 > 0);
            }
        }
    }
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
