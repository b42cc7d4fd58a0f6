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

// Registers of AVX-512 hold what the sums of some chunks add up to.
template <class T>
constexpr std::size_t kFeatureBlock = kBytes == 64 ? 128 : kFeatureChunk<T>;

// c[r][·] (+)= Σ_k a[k][r] b_v[k][·] for kRows rows and kVectors vectors, all in registers.
template <class T, std::size_t kRows, std::size_t kVectors>
[[gnu::always_inline]] inline void micro_product(std::size_t features, const T* a, const T* const (&b)[kVectors], T* c,
                                                 bool add) {
    constexpr std::size_t L = kLanes<T>;
    constexpr bool kSeveral = kFeatureBlock<T> > kFeatureChunk<T>;
    Vec<T> total[kRows][kVectors] = {};
    const auto load_total = [&] {
        for (std::size_t r = 0; r < kRows && add; ++r) {
            for (std::size_t v = 0; v < kVectors; ++v) total[r][v] = load(c + r * kTileStride<T> + v * L);
        }
    };
    if constexpr (kSeveral) load_total();
    for (std::size_t k0 = 0; k0 < features; k0 += kFeatureChunk<T>) {
        const std::size_t end = features - k0 < kFeatureChunk<T> ? features : k0 + kFeatureChunk<T>;
        Vec<T> sum[kRows][kVectors] = {};
        for (std::size_t k = k0; k < end; ++k) {
            Vec<T> right[kVectors];
            for (std::size_t v = 0; v < kVectors; ++v) right[v] = load(b[v] + k * kStrip<T>);
            for (std::size_t r = 0; r < kRows; ++r) {
                const Vec<T> left = splat(a[k * kStrip<T> + r]);
                for (std::size_t v = 0; v < kVectors; ++v) sum[r][v] += left * right[v];
            }
        }
        if constexpr (!kSeveral) load_total();
        for (std::size_t r = 0; r < kRows; ++r) {
            for (std::size_t v = 0; v < kVectors; ++v) total[r][v] += sum[r][v];
        }
    }
    for (std::size_t r = 0; r < kRows; ++r) {
        for (std::size_t v = 0; v < kVectors; ++v) store(c + r * kTileStride<T> + v * L, total[r][v]);
    }
}

// As many rows and vectors as registers allow: 4 × 3, twice with AVX-512, and 8 × 1 where multiplications and additions
// are apart.
constexpr std::size_t kProductRows = kBytes == 16 ? 8 : 4;
constexpr std::size_t kProductVectors = kBytes == 16 ? 1 : 3;
static_assert(kRowGroup % kProductRows == 0);

// The features [k0, k0 + n) of all rows and kVectors vectors of columns from j on.
template <class T, std::size_t kVectors>
void product_columns(const ProductCall<T>& call, std::size_t k0, std::size_t n, std::size_t j) {
    const T* b[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) {
        const std::size_t column = j + v * kLanes<T>;
        b[v] = call.col_strips + (column / kStrip<T> * call.features + k0) * kStrip<T> + column % kStrip<T>;
    }
    const std::size_t end = (call.i1 + kRowGroup - 1) / kRowGroup * kRowGroup;
    for (std::size_t i = call.i0; i < end; i += kProductRows) {
        const T* a = call.row_strips + (i / kStrip<T> * call.features + k0) * kStrip<T> + i % kStrip<T>;
        T* c = call.product + (i - call.i0) * kTileStride<T> + (j - call.j0);
        micro_product<T, kProductRows>(n, a, b, c, k0 > 0);
    }
}

template <class T>
void product(const ProductCall<T>& call) {
    constexpr std::size_t L = kLanes<T>;
    for (std::size_t k0 = 0; k0 < call.features; k0 += kFeatureBlock<T>) {
        const std::size_t n = call.features - k0 < kFeatureBlock<T> ? call.features - k0 : kFeatureBlock<T>;
        std::size_t j = call.j0;
        for (; j + kProductVectors * L <= call.j1; j += kProductVectors * L) {
            product_columns<T, kProductVectors>(call, k0, n, j);
        }
        if constexpr (kProductVectors > 2) {
            for (; j + 2 * L <= call.j1; j += 2 * L) product_columns<T, 2>(call, k0, n, j);
        }
        const std::size_t end = (call.j1 + kStrip<T> - 1) / kStrip<T> * kStrip<T>;  // padding up to a whole strip
        for (; j < end; j += L) product_columns<T, 1>(call, k0, n, j);
    }
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
