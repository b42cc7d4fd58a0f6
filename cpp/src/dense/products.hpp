// Matrix products in registers. A tile holds 24 sums (of the 32 registers of AVX-512), fewer on lesser sets.
#pragma once

#include <utility>

#include "../tile/simd.hpp"
#include "kernels.hpp"

namespace ntkcore::dense::NTKCORE_ISA {
namespace {

using namespace tile::NTKCORE_ISA;

// The first `count` (1 … lanes) numbers, the others 0.
inline Vec<float> load_part(const float* p, std::size_t count) {
#if defined(__AVX512F__)
    return (Vec<float>)_mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << count) - 1U), p);
#else
    Vec<float> v{};
    for (std::size_t l = 0; l < count; ++l) v[l] = p[l];
    return v;
#endif
}
inline Vec<double> load_part(const double* p, std::size_t count) {
#if defined(__AVX512F__)
    return (Vec<double>)_mm512_maskz_loadu_pd(static_cast<__mmask8>((1U << count) - 1U), p);
#else
    Vec<double> v{};
    for (std::size_t l = 0; l < count; ++l) v[l] = p[l];
    return v;
#endif
}
inline void store_part(float* p, Vec<float> v, std::size_t count) {
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1U << count) - 1U), (__m512)v);
#else
    for (std::size_t l = 0; l < count; ++l) p[l] = v[l];
#endif
}
inline void store_part(double* p, Vec<double> v, std::size_t count) {
#if defined(__AVX512F__)
    _mm512_mask_storeu_pd(p, static_cast<__mmask8>((1U << count) - 1U), (__m512d)v);
#else
    for (std::size_t l = 0; l < count; ++l) p[l] = v[l];
#endif
}

// --- sums of the lanes ---

// Of the 2 × lanes numbers a, b: every run of 2h becomes one of h, the sum of its halves.
template <class T, std::size_t h, std::size_t... x>
inline Vec<T> fold(Vec<T> a, Vec<T> b, std::index_sequence<x...>) {
    return __builtin_shufflevector(a, b, static_cast<int>(x / h * 2 * h + x % h)...) +
           __builtin_shufflevector(a, b, static_cast<int>(x / h * 2 * h + h + x % h)...);
}
// Lane r is the sum of the lanes of v[r], for the vectors first … first + n − 1 that there are.
template <class T, std::size_t count, std::size_t first, std::size_t n>
inline Vec<T> lane_sums(const Vec<T>* v) {
    if constexpr (first >= count) {
        return Vec<T>{};
    } else if constexpr (n == 1) {
        return v[first];
    } else {
        return fold<T, kLanes<T> / n>(lane_sums<T, count, first, n / 2>(v),
                                      lane_sums<T, count, first + n / 2, n / 2>(v),
                                      std::make_index_sequence<kLanes<T>>{});
    }
}
template <class T, std::size_t count, std::size_t first = 0>
inline void all_lane_sums(const Vec<T>* v, T* sums) {
    if constexpr (first < count) {
        store(sums + first, lane_sums<T, count, first, kLanes<T>>(v));
        all_lane_sums<T, count, first + kLanes<T>>(v, sums);
    }
}

#if defined(__AVX512F__)
constexpr std::size_t kDotRows = 6, kDotCols = 4;      // 24 sums
constexpr std::size_t kOuterRows = 8, kOuterVecs = 3;  // 24 sums, and fewer rows of B that cross cache lines
#else
constexpr std::size_t kDotRows = 4, kDotCols = 3;      // 12 sums
constexpr std::size_t kOuterRows = 6, kOuterVecs = 2;  // 12 sums
#endif

// One after the other: GCC clears an array at once by a loop over memory, from where its numbers have to come back.
template <class V, std::size_t n>
inline void clear(V (&v)[n]) {
    for (std::size_t i = 0; i < n; ++i) v[i] = V{};
}

// --- A Bᵀ: sums along rows ---

// `next`: rows of B to ask for meanwhile, or null.
template <class T, std::size_t R, std::size_t Q>
void dot_tile(std::size_t k, const T* a, std::size_t lda, const T* b, std::size_t ldb, T* c, std::size_t ldc, bool add,
              const T* next) {
    constexpr std::size_t L = kLanes<T>;
    Vec<T> sum[R * Q];
    clear(sum);
    const auto term = [&](const auto& part) {
        Vec<T> w[Q];
        for (std::size_t q = 0; q < Q; ++q) w[q] = part(b + q * ldb);
        for (std::size_t r = 0; r < R; ++r) {
            const Vec<T> x = part(a + r * lda);
            for (std::size_t q = 0; q < Q; ++q) sum[r * Q + q] += x * w[q];
        }
    };
    std::size_t p = 0;
    if (next != nullptr) {
        for (; p + L <= k; p += L) {
            for (std::size_t q = 0; q < Q; ++q) __builtin_prefetch(next + q * ldb + p, 0, 2);
            term([p](const T* row) { return load(row + p); });
        }
    }
    for (; p + L <= k; p += L) term([p](const T* row) { return load(row + p); });
    if (p < k) term([p, k](const T* row) { return load_part(row + p, k - p); });
    T sums[(R * Q + L - 1) / L * L];
    all_lane_sums<T, R * Q>(sum, sums);
    for (std::size_t r = 0; r < R; ++r) {
        for (std::size_t q = 0; q < Q; ++q) c[r * ldc + q] = (add ? c[r * ldc + q] : T(0)) + sums[r * Q + q];
    }
}

template <class T>
using DotTile = void (*)(std::size_t, const T*, std::size_t, const T*, std::size_t, T*, std::size_t, bool, const T*);

template <class Tile, std::size_t n>
struct Table {
    Tile tile[n];
};
template <class T, std::size_t... i>
constexpr Table<DotTile<T>, sizeof...(i)> dot_tiles(std::index_sequence<i...>) {
    return {{dot_tile<T, i / kDotCols + 1, i % kDotCols + 1>...}};
}

// Of m rows in groups of at most `most`, as even as can be: the size of the group at i.
inline std::size_t even_part(std::size_t rest, std::size_t most) {
    const std::size_t groups = (rest + most - 1) / most;
    return (rest + groups - 1) / groups;
}

template <class T>
void dot(const Dot<T>& call) {
    static constexpr auto kTiles = dot_tiles<T>(std::make_index_sequence<kDotRows * kDotCols>{});
    // Pieces of A stay in the first cache while all rows of B pass, unless all of A stays in the second.
    constexpr std::size_t kFew = 384 << 10;
    const bool few = call.m * call.k * sizeof(T) <= kFew;
    const std::size_t longest = few ? call.k : 4096 / sizeof(T);
    const std::size_t pieces = call.k == 0 ? 1 : (call.k + longest - 1) / longest;
    const std::size_t piece = ((call.k + pieces - 1) / pieces + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
    for (std::size_t begin = 0, done = 0; done == 0 || begin < call.k; begin += piece, ++done) {
        const std::size_t terms = call.k - begin < piece ? call.k - begin : piece;
        for (std::size_t j = 0; j < call.n;) {
            const std::size_t q = even_part(call.n - j, kDotCols);
            // what is read one or two tiles later, of this piece or of the next; two rows leave that to the processor
            const std::size_t later = j + (few ? 1 : 2) * kDotCols;
            const T* next = nullptr;
            if (call.m > 2 && later + q <= call.n) {
                next = call.b + later * call.ldb + begin;
            } else if (call.m > 2 && later >= call.n && later - call.n + q <= call.n && begin + 2 * piece <= call.k) {
                next = call.b + (later - call.n) * call.ldb + begin + piece;
            }
            for (std::size_t i = 0; i < call.m;) {
                const std::size_t r = even_part(call.m - i, kDotRows);
                kTiles.tile[(r - 1) * kDotCols + q - 1](
                    terms, call.a + i * call.lda + begin, call.lda, call.b + j * call.ldb + begin, call.ldb,
                    call.c + i * call.ldc + j, call.ldc, call.add || done > 0, i == 0 ? next : nullptr);
                i += r;
            }
            j += q;
        }
    }
}

// --- A B: multiples of rows ---

template <class T, std::size_t R, std::size_t V, bool kPart>
void outer_tile(const Outer<T>& call, std::size_t i, std::size_t j) {
    constexpr std::size_t L = kLanes<T>;
    const std::size_t last = call.n - j - (V - 1) * L;  // numbers in the last vector, where it is a part
    const auto get = [last](const T* row, std::size_t v) {
        return kPart && v + 1 == V ? load_part(row + v * L, last) : load(row + v * L);
    };
    Vec<T> sum[R][V];
    for (auto& row : sum) clear(row);
    const T* a = call.a + i * call.a_row;
    const T* b = call.b + j;
    const std::size_t a_row = call.a_row, a_term = call.a_term, ldb = call.ldb;
    for (std::size_t p = call.k; p > 0; --p, a += a_term, b += ldb) {
        Vec<T> y[V];
        for (std::size_t v = 0; v < V; ++v) y[v] = get(b, v);
        for (std::size_t r = 0; r < R; ++r) {
            const Vec<T> x = splat(a[r * a_row]);
            for (std::size_t v = 0; v < V; ++v) sum[r][v] += x * y[v];
        }
    }
    T* const c = call.c + i * call.ldc + j;
    const std::size_t ldc = call.ldc, ahead = call.ahead * call.ldc;
    if (ahead > 0) {
        for (std::size_t r = 0; r < R; ++r) {
            for (std::size_t v = 0; v < V; ++v) __builtin_prefetch(c + r * ldc + v * L + ahead, 1, 2);
        }
    }
    const Vec<T> alpha = splat(call.alpha), beta = splat(call.beta);
    const bool keep = call.beta != 0;
    for (std::size_t r = 0; r < R; ++r) {
        for (std::size_t v = 0; v < V; ++v) {
            Vec<T> value = sum[r][v] * alpha;
            if (keep) value += get(c + r * ldc, v) * beta;
            if (kPart && v + 1 == V) {
                store_part(c + r * ldc + v * L, value, last);
            } else {
                store(c + r * ldc + v * L, value);
            }
        }
    }
}

template <class T>
using OuterTile = void (*)(const Outer<T>&, std::size_t, std::size_t);

template <class T, bool kPart, std::size_t... i>
constexpr Table<OuterTile<T>, sizeof...(i)> outer_tiles(std::index_sequence<i...>) {
    return {{outer_tile<T, i / kOuterVecs + 1, i % kOuterVecs + 1, kPart>...}};
}

template <class T>
void outer(const Outer<T>& call) {
    using Index = std::make_index_sequence<kOuterRows * kOuterVecs>;
    static constexpr auto kWhole = outer_tiles<T, false>(Index{});
    static constexpr auto kPart = outer_tiles<T, true>(Index{});
    constexpr std::size_t L = kLanes<T>;
    const auto rows_of = [&](std::size_t i) { return even_part(call.m - i, kOuterRows); };
    const auto cols_of = [&](std::size_t j) {
        const std::size_t rest = call.n - j;
        return rest < kOuterVecs * L ? rest : kOuterVecs * L;
    };
    const auto tile = [&](std::size_t i, std::size_t j, std::size_t r, std::size_t cols) {
        const std::size_t v = (cols + L - 1) / L;
        const auto& table = cols % L == 0 ? kWhole : kPart;
        table.tile[(r - 1) * kOuterVecs + v - 1](call, i, j);
    };
    constexpr std::size_t kNear = 24 << 10;  // bytes of B that stay in the first cache
    if (call.k * call.n * sizeof(T) <= kNear) {
        for (std::size_t i = 0, r; i < call.m; i += r) {
            r = rows_of(i);
            for (std::size_t j = 0, cols; j < call.n; j += cols) tile(i, j, r, cols = cols_of(j));
        }
    } else {
        for (std::size_t j = 0, cols; j < call.n; j += cols) {
            cols = cols_of(j);
            for (std::size_t i = 0, r; i < call.m; i += r) tile(i, j, r = rows_of(i), cols);
        }
    }
}

template <class T>
void affine(std::size_t rows, std::size_t cols, T* x, std::size_t ldx, T scale, const T* b, T shift) {
    constexpr std::size_t L = kLanes<T>;
    for (std::size_t i = 0; i < rows; ++i) {
        T* row = x + i * ldx;
        std::size_t j = 0;
        for (; j + L <= cols; j += L) store(row + j, load(row + j) * scale + load(b + j) * shift);
        if (j < cols) {
            const std::size_t rest = cols - j;
            store_part(row + j, load_part(row + j, rest) * scale + load_part(b + j, rest) * shift, rest);
        }
    }
}

// Y ← Y + factor·X
template <class T>
void add(std::size_t rows, std::size_t cols, T factor, const T* x, std::size_t ldx, T* y, std::size_t ldy) {
    constexpr std::size_t L = kLanes<T>;
    for (std::size_t i = 0; i < rows; ++i) {
        const T* from = x + i * ldx;
        T* to = y + i * ldy;
        std::size_t j = 0;
        for (; j + L <= cols; j += L) store(to + j, load(to + j) + factor * load(from + j));
        for (; j < cols; ++j) to[j] += factor * from[j];
    }
}

}  // namespace
}  // namespace ntkcore::dense::NTKCORE_ISA
