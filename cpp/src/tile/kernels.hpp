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

constexpr std::size_t kPanel = 256;      // columns of a tile: width of a feature panel
constexpr std::size_t kColumnStep = 16;  // the longest vector, in floats

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
};

// u from a row of the product C = A Aᵀ of the centred unit rows a = x̂ − c: v = ½|a|² + ½|a'|² − C. Pairs whose v or
// 2 − v has lost digits by cancellation are computed again from the features: ½|a − a'|² and ½|a + a' + 2c|².
template <class T>
struct StartProduct {
    const T* product;
    T half_norm_row;
    const T* half_norm;  // of the columns
    const T* row;               // a
    const T* col_rows;          // a' of column 0; the next one is feature_stride further
    const T* centre;            // c
    std::size_t feature_stride; // features, padded with zeros to a multiple of kColumnStep
    std::size_t columns;        // beyond them there is padding
    std::size_t begin, end;
    T* u;
};

// One layer σ = a·min(x,0) + b·max(x,0) with λ = (a−b)²/(a²+b²), followed by the affine map.
template <class T>
struct LayerCall {
    std::size_t begin, end;
    T* u;
    T* theta;  // null: Σ alone
    T* dot;    // null, or receives 2·(normalised dual of the derivative)
    // √½·√(A/q) and √½·σ_b/√q of the columns and of the row; null without bias (then 1 and 0)
    const T* r;
    const T* s;
    T r_row, s_row;
    T lambda;
    bool nonnegative;  // ρ ≥ 0 is known for every pair
};

// out[j] = state·(scale_row·scale[j]) for the columns [first, last) of the panel; no padding is written.
template <class T>
struct StoreCall {
    std::size_t first, last;
    const T* state;
    T scale_row;
    const T* scale;
    T* out;  // the address of column 0 of the panel in the result's row
};

template <class T>
struct Kernels {
    void (*start_direct)(const StartDirect<T>&);
    void (*start_product)(const StartProduct<T>&);
    void (*ab_relu)(const LayerCall<T>&);
    void (*correlation)(const T* u, T* rho, std::size_t begin, std::size_t end);  // ρ = ±(1 − |u|)
    void (*store_sigma)(const StoreCall<T>&);                                     // state = u
    void (*store_theta)(const StoreCall<T>&);                                     // state = theta
    // out[j][i] = in[i][j] for a block of m × n, row strides in elements
    void (*transpose)(std::size_t m, std::size_t n, const T* in, std::ptrdiff_t in_stride, T* out,
                      std::ptrdiff_t out_stride);
    // out[j] = in[j] for j < n; `past_cache`: whole cache lines are written around the caches. Call finish_copies()
    // before another thread reads them.
    void (*copy)(std::size_t n, const T* in, T* out, bool past_cache);
    void (*finish_copies)();
};

struct Isa {
    const char* name;
    bool (*supported)();
    const Kernels<float>* f32;
    const Kernels<double>* f64;
};

// The best instruction set that this CPU supports; NTKCORE_SIMD in the environment can ask for a lesser one.
[[nodiscard]] const Isa& isa();

template <class T>
[[nodiscard]] const Kernels<T>& kernels();

}  // namespace ntkcore::tile
