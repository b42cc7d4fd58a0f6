// Products with a large matrix W that passes through the caches once, for some tens of points: the other operand has
// been copied into panels before, once for many products, and the next part of W is asked for within the tiles.
#pragma once

#include "packed.hpp"

namespace ntkcore::dense::NTKCORE_ISA {
namespace {

// Rows of W a tile ahead of the sums: two groups.
constexpr std::size_t kRowsAhead = 2 * kGroup;

// C (m × n) = A (m × k) B with the rows of A read where they lie, piece by piece, all panels of B for each of them.
template <class T>
void rows_by_panels(const RowsByPanels<T>& call) {
    constexpr std::size_t W = kPanel<T>;
    constexpr std::size_t L = kLanes<T>;
    const std::size_t pieces = (call.k + kLongTerms - 1) / kLongTerms;
    const std::size_t most = (call.k + pieces - 1) / pieces;
    const std::size_t panels = (call.n + W - 1) / W;
    Ahead<T> next{call.a, pieces, call.m, most, call.lda, most};
    if (call.m > kRowsAhead) {
        next.at += kRowsAhead * call.lda;
        next.row = kRowsAhead;
    }
    for (std::size_t p0 = 0; p0 < call.k; p0 += most) {
        const std::size_t k = call.k - p0 < most ? call.k - p0 : most;
        const T beta = p0 == 0 ? T(0) : T(1);
        for (std::size_t i = 0, r; i < call.m; i += r) {
            r = even_part(call.m - i, kGroup);
            const std::size_t every = next.every(k * panels, next.lines(r, k));
            for (std::size_t j = 0; j < call.n; j += W) {
                const std::size_t v = call.n - j > L ? kVecs : 1;
                kPackedTiles<T>.tile[(r - 1) * kVecs + v - 1](
                    k, {call.a + i * call.lda + p0, call.lda, 1, call.b + j * call.k + p0 * W, W, &next, every},
                    {call.c + i * call.ldc + j, call.ldc, T(1), beta});
            }
        }
    }
}

// E (n × j) and then W (m × j): see kernels.hpp.
template <class T>
void pass_block(const PassBlock<T>& call) {
    constexpr std::size_t W = kPanel<T>;
    constexpr std::size_t L = kLanes<T>;
    const std::size_t m = call.m, n = call.n, points = call.points;
    Ahead<T> next;
    if (call.next_rows > 0) next = {call.w + m * call.ldw, 1, call.next_rows, n, call.ldw};
    const auto run = [&](std::size_t r, std::size_t cols, std::size_t k, const Operands<T>& of, const Place<T>& at) {
        const PackedTile<T> tile = kPackedTiles<T>.tile[(r - 1) * kVecs + (cols + L - 1) / L - 1];
        if (cols % L == 0) return tile(k, of, at);
        partial_tile(tile, r, cols, k, of, at);
    };
    const std::size_t groups = (points + kGroup - 1) / kGroup;
    const std::size_t panels = (n + W - 1) / W;
    const std::size_t terms =
        panels * ((call.e != nullptr ? groups * m : 0) + (call.c != nullptr ? (m + kGroup - 1) / kGroup * points : 0));
    const std::size_t every = next.every(terms, next.lines(next.rows, next.cols) + panels);
    if (call.e != nullptr) {
        // rows that fall into few places of the cache, or whose last vector would reach beyond them, are copied
        const bool few_places = (call.ldw * sizeof(T) + 63) / 64 % 8 == 0;
        for (std::size_t j = 0; j < n; j += W) {
            const std::size_t cols = n - j < W ? n - j : W;
            const bool copy = few_places || cols % L != 0;
            if (copy) pack_rows(m, cols, call.w + j, call.ldw, call.scratch);
            const T* const b = copy ? call.scratch : call.w + j;
            for (std::size_t p = 0, r; p < points; p += r) {
                r = even_part(points - p, kGroup);
                run(r, cols, m, {call.d + p * call.ldd, call.ldd, 1, b, copy ? W : call.ldw, &next, every},
                    {call.e + p * call.lde + j, call.lde, T(1), call.first ? T(0) : T(1)});
            }
        }
    }
    if (call.c == nullptr) return;
    T* const group = call.scratch;
    for (std::size_t i = 0, r; i < m; i += r) {
        r = even_part(m - i, kGroup);
        pack_group(points, r, call.d + i, call.ldd, group, i + kGroup + L <= m);
        for (std::size_t j = 0; j < n; j += W) {
            const std::size_t cols = n - j < W ? n - j : W;
            run(r, cols, points, {group, 1, kGroup, call.panels + j * points, W, &next, every},
                {call.c + i * call.ldw + j, call.ldw, call.alpha, call.beta});
        }
    }
}

}  // namespace
}  // namespace ntkcore::dense::NTKCORE_ISA
