// The inner loops of the engine, one row of one tile at a time, for one instruction set.
//
// State of a pair (i, j) between layers, in the row buffers u and theta:
//   u      the signed versine: |u| = w = 1 − |ρ|, and its sign bit is set where ρ < 0 (−0 means ρ = −1 exactly)
//   theta  Θ / √(q_i q_j)
// so that neither nearly parallel nor nearly opposite samples lose a digit, and no depth underflows.
//
// Buffers are owned by the caller, 64-byte aligned and padded: columns [begin, end) are processed with begin and end
// multiples of kColumnStep, whatever the vector length.
#pragma once

#include <cstddef>

namespace ntkcore::tile {

constexpr std::size_t kFamilies = 13;
constexpr std::size_t kPanel = 256;      // columns of a tile: width of a feature panel
constexpr std::size_t kColumnStep = 16;  // the longest vector, in floats
// From row to row of a tile of results: no power of two, or a column's lines would share a few sets of the cache.
template <class T>
constexpr std::size_t kLine = 64 / sizeof(T);
template <class T>
constexpr std::size_t kTileStride = kPanel + kLine<T>;

// u from the features: v = ½|x̂ − x̂'|² summed directly, and ½|x̂ + x̂'|² where the vectors are nearly opposite.
// Both panels hold features × kPanel numbers, x̂/√2, feature by feature.
template <class T>
struct StartDirect {
    const T* row_panel;
    std::size_t row;  // within its panel
    const T* col_panel;
    std::size_t features;
    std::size_t begin, end;
    T* u;
    T* rho;  // null, or receives ρ = ±(1 − |u|)
};

// u from a row of the product C = A Aᵀ of the centred unit rows a = x̂ − c: v = ½|a|² + ½|a'|² − C. Pairs whose v or
// 2 − v has lost digits by cancellation are computed again from the features: ½|a − a'|² and ½|a + a' + 2c|².
template <class T>
struct StartProduct {
    const T* product;
    T half_norm_row;
    const T* half_norm;          // of the columns
    const T* row;                // a
    const T* col_rows;           // a' of column 0; the next one is feature_stride further
    const T* centre;             // c
    std::size_t feature_stride;  // features, padded with zeros to a multiple of kColumnStep
    std::size_t columns;         // beyond them there is padding
    std::size_t begin, end;
    T* u;
    T* rho;  // null, or receives ρ
};

// One activation and the affine map behind it. Tables: number t of column j at tables[t·stride + j], of the row at
// row_tables[t·row_stride]; which numbers, and which constants, is the family's business (see src/layers).
template <class T>
struct LayerCall {
    std::size_t begin, end;
    T* u;
    T* theta;      // null: Σ alone
    T* theta_low;  // null, or what theta has lost to rounding (in very deep networks of one family)
    T* dot;        // null, or receives ∂ρ̂/∂ρ, the dual of σ̇ times √(qq'/(E[σ²] E[σ'²]))
    // √½·√(A/q⁺) and √½·σ_b/√q⁺ of the columns and of the row; null without bias (then 1 and 0)
    const T* r;
    const T* s;
    T r_row, s_row;
    // precise: for very deep networks, and then 1 − √(A/q⁺) beside r (null without bias)
    bool precise;
    const T* p;
    T p_row;
    const T* tables;
    std::size_t stride;
    const T* row_tables;
    std::size_t row_stride;
    std::size_t n_tables;
    const T* constants;
    bool nonnegative;  // ρ ≥ 0 is known for every pair
    bool uniform;      // all samples have the same tables, r and s
};

// All layers at once, where ρ, D̂ and Θ/√(qq') after them are functions of the angle: a polynomial of the variable x for
// each bin of t = √|u| + offset. If t = (1 + f)·2^e, the bin is that of e and the leading `bits` bits of f, x the rest
// of f. Bins are counted from that of t = offset on, a power of 2; where u has its sign bit set, behind the `bins`
// others.
template <class T>
struct TableCall {
    std::size_t begin, end;
    const T* u;
    T* out[3];  // of each function; the first may be u itself
    std::size_t functions;
    bool rho;               // the first function is ρ, and its result the signed versine
    const T* coefficients;  // [bin][function][power of x], kTableTerms<T> powers
    int bits;
    std::size_t bins;  // without the sign bit
    T offset[2];       // without, and with the sign bit
};
template <class T>
constexpr std::size_t kTableTerms = sizeof(T) == 8 ? 8 : 4;

// out[j] = state·(scale_row·scale[j]) for the columns [first, last) of the panel; no padding is written.
template <class T>
struct StoreCall {
    std::size_t first, last;
    const T* state;
    T scale_row;
    const T* scale;
    T* out;  // the address of column 0 of the panel in the result's row
};

// Inner products of rows [i0, i1) and columns [j0, j1), written to product[(i − i0)·kTileStride + (j − j0)] and padded
// to whole strips of columns. Both operands are packed in strips of kStrip samples, feature by feature: sample i,
// feature k at packed[(i / kStrip · features + k) · kStrip + i % kStrip]. i0 and j0 are multiples of kRowGroup and of
// kStrip. Sums are taken in chunks of features and then added up, which rounds off much less than one long sum.
template <class T>
struct ProductCall {
    const T* row_strips;
    const T* col_strips;
    std::size_t features;
    std::size_t i0, i1, j0, j1;
    T* product;
};

template <class T>
constexpr std::size_t kStrip = 128 / sizeof(T);
constexpr std::size_t kRowGroup = 8;

// Loops over the features of one sample x, in double whatever T is.
template <class T>
struct RowKernels {
    T (*largest)(std::size_t n, const T* x);                                               // max |x_k|
    double (*square_sum)(std::size_t n, const T* x, double up, double down);               // Σ (x_k·up·down)²
    void (*accumulate)(std::size_t n, const T* x, double up, double down, double* total);  // total_k += x_k·up·down
    // a_k = x_k·up·down − centre_k
    void (*centred)(std::size_t n, const T* x, double up, double down, const double* centre, T* a);
};

// Of hermite.hpp; nodes a multiple of 32, degrees at most kHermiteDegrees.
constexpr std::size_t kHermiteDegrees = 2048;
struct HermiteCall {
    std::size_t nodes, degrees;
    const double *z, *start, *odd, *even;
    const double *up, *back;
    double* a;
};

// A layer of smooth.hpp. Tables as in LayerCall; which, and what the constants are, is the business of src/smooth.hpp.
enum class SmoothKind { start, erf, gelu, sinusoid, finish };
template <class T>
struct SmoothCall {
    SmoothKind kind;
    std::size_t begin, end;
    T* sigma;  // Σ; in front of `start` the signed versine
    T* theta;  // Θ; null: Σ alone
    const T* columns;
    std::size_t stride;
    const T* row;
    std::size_t row_stride;
    T most;  // of g²q, or b²q, among the columns
    T weight, far_weight, square, bias;
    T odd, even;       // of sinusoids: weight − far_weight and weight + far_weight
    bool nonnegative;  // Σ ≥ 0 is known for every pair
};
// Σ¹ and Θ¹ of such layers from panels of few features, as in StartDirect; scale_row·scale[j] = 2√(qq').
template <class T>
struct SmoothStart {
    const T* row_panel;
    std::size_t row;
    const T* col_panel;
    std::size_t features;
    std::size_t begin, end;
    T scale_row;
    const T* scale;
    T *sigma, *theta;  // theta null: not wanted
};

template <class T>
struct Kernels {
    RowKernels<T> rows;
    void (*start_direct)(const StartDirect<T>&);
    void (*product)(const ProductCall<T>&);
    void (*start_product)(const StartProduct<T>&);
    void (*angle_table)(const TableCall<T>&);
    void (*layer[kFamilies])(const LayerCall<T>&);  // by ntkcore::Family
    void (*store_sigma)(const StoreCall<T>&);       // state = u
    void (*store_theta)(const StoreCall<T>&);       // state = theta
    // out[j][i] = in[i][j] for a block of m × n, row strides in elements
    void (*transpose)(std::size_t m, std::size_t n, const T* in, std::ptrdiff_t in_stride, T* out,
                      std::ptrdiff_t out_stride);
    // out[j] = in[j] for j < n; `past_cache`: whole cache lines are written around the caches. Call finish_copies()
    // before another thread reads them.
    void (*copy)(std::size_t n, const T* in, T* out, bool past_cache);
    void (*finish_copies)();
    void (*hermite)(const HermiteCall&);  // in double, whatever T
    void (*smooth)(const SmoothCall<T>&);
    void (*start_smooth)(const SmoothStart<T>&);
};

struct Isa {
    const char* name;
    bool (*supported)();
    const Kernels<float>* f32;
    const Kernels<double>* f64;
};

// The best instruction set that this CPU supports; NTKCORE_SIMD in the environment can ask for a lesser one.
[[nodiscard]] const Isa& isa();
// "avx512", "avx2" or "baseline"; null if this build or this CPU does not have it.
[[nodiscard]] const Isa* find_isa(const char* name);

template <class T>
[[nodiscard]] const Kernels<T>& kernels();

}  // namespace ntkcore::tile
