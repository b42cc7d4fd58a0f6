// Products of matrices that are used many times while they lie in the caches: pieces of B are copied into panels of
// kPanel columns, k × kPanel, which the first cache holds while all rows of A pass; pieces of A whose sums do not run
// along its rows are copied into groups of kGroup rows, k × kGroup, where they lie too far apart.
#pragma once

#include "products.hpp"

namespace ntkcore::dense::NTKCORE_ISA {
namespace {

#if defined(__AVX512F__)
constexpr std::size_t kGroup = 12, kVecs = 2;  // 24 sums of 32 registers
constexpr std::size_t kTerms = 256;            // a panel takes 32 KB, in the first cache or soon from the second
constexpr std::size_t kLongTerms = 320;        // where the second cache holds the panels
#else
constexpr std::size_t kGroup = 6, kVecs = 2;  // 12 sums of 16 registers
constexpr std::size_t kTerms = 320;
constexpr std::size_t kLongTerms = 640;
#endif
template <class T>
constexpr std::size_t kPanel = kVecs * kLanes<T>;
template <class T>
constexpr std::size_t kBlockCols = 512 / sizeof(T);  // of B in the second cache, beside
constexpr std::size_t kBlockRows = 96;               // so many of A
static_assert(kBlockRows % kGroup == 0);
constexpr std::size_t kNearPages = 256 << 10;  // bytes between the first and last number that a tile reads of A
template <class T>
constexpr std::size_t kGroupSize = kGroup * kTerms + kPanel<T>;  // stores of whole vectors reach beyond the end
template <class T>
constexpr std::size_t kScratch = kBlockCols<T> * kTerms + (kBlockRows / kGroup + 1) * kGroupSize<T>;

// --- copies ---

// L rows become L columns: blocks of h × h off the diagonal change places.
template <class T, std::size_t h, std::size_t... x>
inline void exchange(Vec<T>& a, Vec<T>& b, std::index_sequence<x...>) {
    const Vec<T> low = __builtin_shufflevector(a, b, static_cast<int>((x & h) == 0 ? x : kLanes<T> + x - h)...);
    b = __builtin_shufflevector(a, b, static_cast<int>((x & h) == 0 ? x + h : kLanes<T> + x)...);
    a = low;
}
template <class T, std::size_t h = kLanes<T> / 2>
inline void transpose(Vec<T>* v) {
    if constexpr (h > 0) {
        for (std::size_t r = 0; r < kLanes<T>; ++r) {
            if ((r & h) == 0) exchange<T, h>(v[r], v[r + h], std::make_index_sequence<kLanes<T>>{});
        }
        transpose<T, h / 2>(v);
    }
}

// All panels of n columns, one after the other, from rows of B; 0 for the columns that there are not.
template <class T>
void pack_rows(std::size_t k, std::size_t n, const T* b, std::size_t ldb, T* out) {
    constexpr std::size_t L = kLanes<T>;
    constexpr std::size_t W = kPanel<T>;
    for (std::size_t p = 0; p < k; ++p, b += ldb) {
        std::size_t j = 0;
        for (; j + W <= n; j += W) {
            for (std::size_t v = 0; v < W; v += L) store(out + j * k + p * W + v, load(b + j + v));
        }
        for (std::size_t q = j; q < (n + W - 1) / W * W; ++q) out[j * k + p * W + q - j] = q < n ? b[q] : T(0);
    }
}

// The same where column j of B is the row b + j·ldb.
template <class T>
void pack_columns(std::size_t k, std::size_t n, const T* b, std::size_t ldb, T* out) {
    constexpr std::size_t L = kLanes<T>;
    constexpr std::size_t W = kPanel<T>;
    for (std::size_t j = 0; j < n; j += W, b += W * ldb, out += W * k) {
        std::size_t p = 0;
        for (; j + W <= n && p + L <= k; p += L) {
            for (std::size_t v = 0; v < W; v += L) {
                Vec<T> rows[L];
                for (std::size_t l = 0; l < L; ++l) rows[l] = load(b + (v + l) * ldb + p);
                transpose<T>(rows);
                for (std::size_t l = 0; l < L; ++l) store(out + (p + l) * W + v, rows[l]);
            }
        }
        for (; p < k; ++p) {
            for (std::size_t q = 0; q < W; ++q) out[p * W + q] = j + q < n ? b[q * ldb + p] : T(0);
        }
    }
}

// Memory that is wanted next, asked for line by line: pieces of `rows` rows of `cols` numbers, each piece `jump`
// numbers behind the one before it.
template <class T>
struct Ahead {
    const T* at = nullptr;
    std::size_t pieces = 0, rows = 0, cols = 0, ld = 0, jump = 0;
    std::size_t row = 0, col = 0;

    void line() {
        if (pieces == 0) return;
        __builtin_prefetch(at + col, 1, 2);
        col += 64 / sizeof(T);
        if (col < cols) return;
        col = 0;
        at += ld;
        if (++row < rows) return;
        row = 0;
        at += jump - rows * ld;
        --pieces;
    }
    [[nodiscard]] static std::size_t lines(std::size_t rows, std::size_t cols) {
        return rows * ((cols * sizeof(T) + 63) / 64);
    }
    // How many terms of a sum to take between two lines, where `terms` are taken while so many lines are wanted.
    [[nodiscard]] std::size_t every(std::size_t terms, std::size_t lines) const {
        return pieces == 0 ? terms + 1 : terms <= lines ? 1 : terms / lines;
    }
};

// out_pi = a_ip for i < rows, rows ≤ kGroup, where row p of Aᵀ is a + p·lda; the numbers behind them are anything.
template <class T>
void pack_group(std::size_t k, std::size_t rows, const T* a, std::size_t lda, T* out, bool room) {
    constexpr std::size_t L = kLanes<T>;
    for (std::size_t p = 0; p < k; ++p, a += lda, out += kGroup) {
        if (room) {
            for (std::size_t i = 0; i < kGroup; i += L) store(out + i, load(a + i));
        } else {
            for (std::size_t i = 0; i < rows; ++i) out[i] = a[i];
        }
    }
}

// --- tiles ---

template <class T>
struct Place {  // of a tile of C
    T* c;
    std::size_t ldc;
    T alpha, beta;
};

// Where a tile finds its operands, and what it asks for meanwhile: a line after every so many terms.
template <class T>
struct Operands {
    const T* a;
    std::size_t a_row, a_term;
    const T* b;
    std::size_t b_term;
    Ahead<T>* next;
    std::size_t every;
};

// C = β C + α Σ_p a_ip b_pj, k > 0 terms
template <class T, std::size_t R, std::size_t V>
void packed_tile(std::size_t k, const Operands<T>& of, const Place<T>& at) {
    constexpr std::size_t L = kLanes<T>;
    T* const c = at.c;
    const std::size_t ldc = at.ldc;
    Vec<T> sum[R][V];
    for (std::size_t r = 0; r < R; ++r) {
        clear(sum[r]);
        __builtin_prefetch(c + r * ldc, 1, 3);
        __builtin_prefetch(c + r * ldc + V * L - 1, 1, 3);
    }
    const T* a = of.a;
    const T* b = of.b;
    const std::size_t a_row = of.a_row, a_term = of.a_term, b_term = of.b_term;
    const auto terms = [&](std::size_t count) {
        do {
            Vec<T> y[V];
            for (std::size_t v = 0; v < V; ++v) y[v] = load(b + v * L);
            for (std::size_t r = 0; r < R; ++r) {
                const Vec<T> x = splat(a[r * a_row]);
                for (std::size_t v = 0; v < V; ++v) sum[r][v] += x * y[v];
            }
            a += a_term;
            b += b_term;
        } while (--count > 0);
    };
    for (const std::size_t every = of.every; k > every; k -= every) {
        of.next->line();
        terms(every);
    }
    terms(k);
    const Vec<T> alpha = splat(at.alpha);
    if (at.beta == 0) {
        for (std::size_t r = 0; r < R; ++r) {
            for (std::size_t v = 0; v < V; ++v) store(c + r * ldc + v * L, sum[r][v] * alpha);
        }
        return;
    }
    const Vec<T> beta = splat(at.beta);
    for (std::size_t r = 0; r < R; ++r) {
        for (std::size_t v = 0; v < V; ++v)
            store(c + r * ldc + v * L, load(c + r * ldc + v * L) * beta + sum[r][v] * alpha);
    }
}

template <class T>
using PackedTile = void (*)(std::size_t, const Operands<T>&, const Place<T>&);
template <class T, std::size_t... i>
constexpr Table<PackedTile<T>, sizeof...(i)> packed_tiles(std::index_sequence<i...>) {
    return {{packed_tile<T, i / kVecs + 1, i % kVecs + 1>...}};
}

template <class T>
constexpr Table<PackedTile<T>, kGroup * kVecs> kPackedTiles =
    packed_tiles<T>(std::make_index_sequence<kGroup * kVecs>{});

// `rows` × `cols` of C, of which a panel has more columns.
template <class T>
void partial_tile(PackedTile<T> tile, std::size_t rows, std::size_t cols, std::size_t k, const Operands<T>& of,
                  const Place<T>& at) {
    T sums[kGroup * kPanel<T>];
    tile(k, of, {sums, kPanel<T>, at.alpha, T(0)});
    for (std::size_t r = 0; r < rows; ++r) {
        T* const c = at.c + r * at.ldc;
        for (std::size_t j = 0; j < cols; ++j) c[j] = (at.beta == 0 ? T(0) : at.beta * c[j]) + sums[r * kPanel<T> + j];
    }
}

// The numbers p0 … p0+k−1 of the sums, for some columns j0 … j0+cols−1 of C.
struct Piece {
    std::size_t p0, k, j0, cols;
};

// All tiles of C for one piece, whose columns of B lie in the panels.
template <class T>
void product_piece(const Product<T>& call, const Piece& piece, Ahead<T> next) {
    constexpr std::size_t W = kPanel<T>;
    constexpr std::size_t L = kLanes<T>;
    const std::size_t k = piece.k;
    const T* const panels = call.scratch;
    T* const groups = call.scratch + kBlockCols<T> * kTerms;
    // A is read where it lies if its sums run along rows, or if what a tile reads of it stays in the first cache
    const bool along = call.a_term == 1 || k * call.a_term * sizeof(T) <= kNearPages;
    const std::size_t a_row = along ? call.a_row : 1;
    const std::size_t a_term = along ? call.a_term : kGroup;
    const T beta = piece.p0 == 0 ? call.beta : T(1);
    const std::size_t tiles = (call.m + kGroup - 1) / kGroup * ((piece.cols + W - 1) / W);
    const std::size_t every = next.every(tiles * k, next.lines(next.rows, next.cols));

    for (std::size_t i0 = 0, rows; i0 < call.m; i0 += rows) {
        rows = call.m - i0 < kBlockRows ? call.m - i0 : kBlockRows;
        const T* const a = call.a + i0 * call.a_row + piece.p0 * call.a_term;
        for (std::size_t i = 0, g = 0, r; !along && i < rows; i += r, ++g) {
            r = even_part(rows - i, kGroup);
            pack_group(k, r, a + i, call.a_term, groups + g * kGroupSize<T>, i0 + i + kGroup + L <= call.m);
        }
        for (std::size_t j = 0; j < piece.cols; j += W) {
            const std::size_t q = piece.cols - j < W ? piece.cols - j : W;
            const std::size_t v = (q + L - 1) / L;
            for (std::size_t i = 0, g = 0, r; i < rows; i += r, ++g) {
                r = even_part(rows - i, kGroup);
                const T* const from = along ? a + i * a_row : groups + g * kGroupSize<T>;
                const Place<T> at{call.c + (i0 + i) * call.ldc + piece.j0 + j, call.ldc, call.alpha, beta};
                const PackedTile<T> tile = kPackedTiles<T>.tile[(r - 1) * kVecs + v - 1];
                const Operands<T> of{from, a_row, a_term, panels + j * k, W, &next, every};
                if (q % L == 0) {
                    tile(k, of, at);
                } else {
                    partial_tile(tile, r, q, k, of, at);
                }
            }
        }
    }
}

template <class T>
void product(const Product<T>& call) {
    const std::size_t pieces = (call.k + kTerms - 1) / kTerms;
    const std::size_t most = pieces == 0 ? 0 : (call.k + pieces - 1) / pieces;
    for (std::size_t j0 = 0; j0 < call.n; j0 += kBlockCols<T>) {
        const std::size_t cols = call.n - j0 < kBlockCols<T> ? call.n - j0 : kBlockCols<T>;
        for (std::size_t p0 = 0; p0 < call.k; p0 += most) {
            const std::size_t k = call.k - p0 < most ? call.k - p0 : most;
            const T* const b = call.b + p0 * call.b_term + j0 * call.b_col;
            Ahead<T> next;
            if (call.b_col == 1) {
                pack_rows(k, cols, b, call.b_term, call.scratch);
                if (call.ahead > 0) next = {b + call.ahead, 1, k, cols, call.b_term};
            } else {
                pack_columns(k, cols, b, call.b_col, call.scratch);
                if (p0 + 2 * most <= call.k) next = {b + most, 1, cols, most, call.b_col};
            }
            product_piece(call, {p0, k, j0, cols}, next);
        }
    }
}

}  // namespace
}  // namespace ntkcore::dense::NTKCORE_ISA
