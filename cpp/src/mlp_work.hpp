// What the passes of mlp.cpp and mlp_backward.cpp share: block sizes, chosen by measurement (bench/bench_mlp.py).
#pragma once

#include <algorithm>
#include <cstddef>

#include "dense/kernels.hpp"
#include "ntkcore/aligned.hpp"
#include "ntkcore/blas.hpp"
#include "ntkcore/mlp.hpp"
#include "partition.hpp"

namespace ntkcore {

constexpr std::size_t kPointBlock = 128;  // points whose piece of a row stays in the second cache
constexpr std::size_t kBlasPoints = 2048;
constexpr std::size_t kRowBlock = 192;  // rows of W that are used twice while they are there
constexpr std::size_t kFewRows = 64;    // the same for few points
constexpr std::size_t kManyPoints = 256;
constexpr std::size_t kStreamed = std::size_t{1} << 21;  // bytes of W that is passed through once, in
constexpr std::size_t kStreamRows = 192;                 // rows at a time forward, and backward in runs of
constexpr std::size_t kStreamCols = 512;                 // numbers of
constexpr std::size_t kStreamBlock = 96;                 // rows, which are used twice,
constexpr std::size_t kPassScratch = 4096;               // with so many numbers of scratch memory beside panels
constexpr std::size_t kNear = std::size_t{1} << 16;      // bytes of parameters that stay beside a thread's points
constexpr std::size_t kCached = std::size_t{1} << 22;    // bytes of W that stay in a cache between two uses

// So few inputs that sums along them would be shorter than a vector or two: better with Wᵀ.
template <class T>
[[nodiscard]] bool thin(std::size_t inputs) {
    return inputs * sizeof(T) <= 256;
}

// For many points a packed product is worth its packing.
[[nodiscard]] inline bool use_blas(std::size_t points, std::size_t m, std::size_t n) {
    return points >= kManyPoints && std::min(m, n) >= 256;
}
template <class T>
[[nodiscard]] bool use_blas(std::size_t points, const Dense<T>& layer) {
    return use_blas(points, layer.inputs, layer.outputs);
}

// For more than a few points copies of W are worth their making (dense/packed.hpp).
[[nodiscard]] inline bool use_panels(std::size_t points, std::size_t cols) {
    return points > dense::kFusedPoints && cols >= 8;
}

// For tens of points, W that no cache holds is worth passing through with all that is made of its rows
// (dense/panels.hpp).
template <class T>
[[nodiscard]] bool streams(std::size_t points, const Dense<T>& layer) {
    return use_panels(points, std::min(layer.inputs, layer.outputs)) && points < kManyPoints &&
           !thin<T>(layer.inputs) && layer.inputs * layer.outputs * sizeof(T) > kStreamed;
}
// Rows of W that one task of the forward pass owns, with their sums for `width` points in its scratch memory.
template <class T>
[[nodiscard]] Parts stream_rows(std::size_t width, const Dense<T>& layer) {
    constexpr std::size_t kLine = 64 / sizeof(T);
    const std::size_t most = std::min<std::size_t>(kStreamRows, dense::kernels<T>().scratch / width);
    return unit_parts(layer.outputs, kLine, 32, std::max<std::size_t>(1, most / kLine));
}
// Columns of W that one task of the backward pass owns, with panels of α in its scratch memory.
template <class T>
[[nodiscard]] Parts stream_columns(std::size_t points, const Dense<T>& layer) {
    constexpr std::size_t kUnit = 256 / sizeof(T);
    const std::size_t most = std::min<std::size_t>(kStreamCols, (dense::kernels<T>().scratch - kPassScratch) / points);
    return unit_parts(layer.inputs, kUnit, 16, std::max<std::size_t>(1, most / kUnit));
}

// Whole tiles of a product of so many columns.
template <class T>
[[nodiscard]] Parts tile_parts(std::size_t cols) {
    constexpr std::size_t kTile = 128 / sizeof(T);
    return unit_parts(cols, kTile, 16, 4);
}

template <class T>
[[nodiscard]] Parts forward_parts(std::size_t points, const Dense<T>& layer) {
    constexpr std::size_t kLine = 64 / sizeof(T);
    if (use_blas(points, layer)) return unit_parts(layer.outputs, kLine, 16, 512 / kLine);
    if (use_panels(points, layer.outputs)) return tile_parts<T>(layer.outputs);
    return unit_parts(layer.outputs, kLine, 16, 8);
}

// Points that one task takes through all layers.
[[nodiscard]] inline Parts point_groups(std::size_t points) {
    return even_parts(points, std::clamp<std::size_t>((points + 9) / 10, 5, 18));
}

// Rows of W that one task of the backward pass owns where W passes through once: of whole cache lines together, and so
// many that the sums over each task's rows are little beside them.
template <class T>
[[nodiscard]] Parts row_parts(const Dense<T>& layer) {
    constexpr std::size_t kLine = 64 / sizeof(T);
    return {layer.outputs, kLine * std::max<std::size_t>(2, layer.outputs / (32 * kLine))};
}

// The columns of W that one task of the backward pass owns.
template <class T>
[[nodiscard]] Parts backward_parts(std::size_t points, const Dense<T>& layer) {
    constexpr std::size_t kBlasUnit = 256 / sizeof(T);
    if (use_blas(points, layer)) return unit_parts(layer.inputs, kBlasUnit, 16, 512 / kBlasUnit);
    return tile_parts<T>(layer.inputs);
}

// The transpose of a rows × cols matrix.
template <class T>
[[nodiscard]] Aligned<T> transposed(const T* a, std::size_t rows, std::size_t cols) {
    Aligned<T> out = Aligned<T>::raw(rows * cols);
    for (std::size_t i = 0; i < rows; ++i) {
        for (std::size_t j = 0; j < cols; ++j) out[j * rows + i] = a[i * cols + j];
    }
    return out;
}

}  // namespace ntkcore
