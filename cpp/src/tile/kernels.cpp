// Compiled once for each instruction set (CMakeLists.txt); see simd.hpp. No function of the standard library here.
#include "kernels.hpp"

#include <utility>

#include "ab_relu.hpp"
#include "curve.hpp"
#include "erf.hpp"
#include "expanded.hpp"
#include "exponential.hpp"
#include "gaussian.hpp"
#include "gelu.hpp"
#include "hermite.hpp"
#include "mehler.hpp"
#include "piecewise_linear.hpp"
#include "product.hpp"
#include "rectified_monomial.hpp"
#include "rows.hpp"
#include "simd.hpp"
#include "sinusoid.hpp"
#include "smooth.hpp"
#include "step.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

// ρ ≥ 0: u = 1 − ρ = v; ρ < 0: u = −(1 + ρ) = −(2 − v), with the sign bit also on −0. Either can be negative by a
// rounding error; its absolute value is as good and cheaper than a maximum.
template <class T>
inline Vec<T> signed_versine(Vec<T> v, Vec<T> opposite) {
    return v > splat<T>(1) ? minus_abs<T>(opposite) : abs<T>(v);
}

// u and, where wanted, ρ of one vector of columns.
template <class T>
inline void store_start(T* u, T* rho, std::size_t j, Vec<T> value) {
    store(u + j, value);
    if (rho != nullptr) store(rho + j, flip<T>(1 - abs<T>(value), sign_bits<T>(value)));
}

// ½|x̂ ∓ x̂'|² of one row and one vector of columns.
template <class T, bool kOpposite>
inline Vec<T> half_distance(const StartDirect<T>& call, const T* x, std::size_t j) {
    Vec<T> sum{};
    for (std::size_t k = 0; k < call.features; ++k) {
        const Vec<T> a = splat(x[k * kPanel]);
        const Vec<T> b = load(call.col_panel + k * kPanel + j);
        const Vec<T> d = kOpposite ? a + b : a - b;
        sum += d * d;
    }
    return sum;
}

// Few features: the sum of squared differences, and of sums where the samples are nearly opposite.
template <class T>
inline void start_by_differences(const StartDirect<T>& call, const T* x, std::size_t j) {
    const Vec<T> v = half_distance<T, false>(call, x, j);
    Vec<T> opposite = 2 - v;
    const Vec<T> limit = splat(T(1.75));
    if (any_greater(v, limit)) opposite = v > limit ? half_distance<T, true>(call, x, j) : opposite;
    store_start<T>(call.u, call.rho, j, signed_versine<T>(v, opposite));
}

// More features: the inner product, one operation per feature instead of two; differences (or sums) where it is no
// longer accurate, within 26° of parallel (or opposite).
template <class T, std::size_t N>
inline void start_by_products(const StartDirect<T>& call, const T* x, std::size_t j) {
    Vec<T> half_rho[N] = {};  // the features are x̂/√2
    for (std::size_t k = 0; k < call.features; ++k) {
        const Vec<T> a = splat(x[k * kPanel]);
        const T* b = call.col_panel + k * kPanel + j;
        for (std::size_t n = 0; n < N; ++n) half_rho[n] += a * load(b + n * kLanes<T>);
    }
    for (std::size_t n = 0; n < N; ++n) {
        const std::size_t at = j + n * kLanes<T>;
        const Vec<T> size = abs<T>(half_rho[n]);
        const Bits<T> sign = sign_bits<T>(half_rho[n]);
        Vec<T> w = 1 - 2 * size;
        const Vec<T> limit = splat(T(0.45));
        if (any_greater(size, limit)) {
            const Vec<T> exact = sign != 0 ? half_distance<T, true>(call, x, at) : half_distance<T, false>(call, x, at);
            w = size > limit ? exact : w;
        }
        store_start<T>(call.u, call.rho, at, flip<T>(w, sign));
    }
}

template <class T>
void start_direct(const StartDirect<T>& call) {
    constexpr std::size_t kUnroll = 4;
    constexpr std::size_t kFew = 4;
    const T* x = call.row_panel + call.row;
    std::size_t j = call.begin;
    if (call.features <= kFew) {
        for (; j < call.end; j += kLanes<T>) start_by_differences<T>(call, x, j);
        return;
    }
    for (; j + kUnroll * kLanes<T> <= call.end; j += kUnroll * kLanes<T>) start_by_products<T, kUnroll>(call, x, j);
    for (; j < call.end; j += kLanes<T>) start_by_products<T, 1>(call, x, j);
}

template <class T>
inline T total(Vec<T> x) {
    T sum = 0;
    for (std::size_t l = 0; l < kLanes<T>; ++l) sum += x[l];
    return sum;
}

// The signed versine of one pair from its features.
template <class T>
T refine(const StartProduct<T>& call, std::size_t column, bool opposite) {
    const T* a = call.row;
    const T* b = call.col_rows + column * call.feature_stride;
    Vec<T> sum{};
    for (std::size_t k = 0; k < call.feature_stride; k += kLanes<T>) {
        const Vec<T> d = opposite ? load(a + k) + load(b + k) + 2 * load(call.centre + k) : load(a + k) - load(b + k);
        sum += d * d;
    }
    const T half = T(0.5) * total<T>(sum);
    return opposite ? -half : half;
}

template <class T>
void start_product(const StartProduct<T>& call) {
    // v carries an error of a few ε·(½|a|² + ½|a'|²), that is δv/√(2v) in the angle: below these limits too much.
    constexpr T kNear = sizeof(T) == 4 ? T(0.2) : T(0.02);
    constexpr T kOpposite = T(0.25);
    for (std::size_t j = call.begin; j < call.end; j += kLanes<T>) {
        const Vec<T> size = call.half_norm_row + load(call.half_norm + j);
        const Vec<T> v = size - load(call.product + j);
        const Vec<T> opposite = T(2) - v;
        const Bits<T> doubtful = (v < kNear * size * size) | (opposite < splat<T>(kOpposite));
        store_start<T>(call.u, call.rho, j, signed_versine<T>(v, opposite));
        if (any<T>(doubtful)) {
            for (std::size_t l = 0; l < kLanes<T> && j + l < call.columns; ++l) {
                if (doubtful[l] == 0) continue;
                const T u = refine<T>(call, j + l, v[l] > 1);
                call.u[j + l] = u;
                if (call.rho != nullptr) call.rho[j + l] = __builtin_signbit(u) != 0 ? -(1 + u) : 1 - u;
            }
        }
    }
}

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

// Transposes kLanes × kLanes in registers: stage b exchanges the off-diagonal blocks of size b of every 2b × 2b block.
template <class T, std::size_t b = kLanes<T> / 2>
inline void transpose_registers(Vec<T>* x) {
    if constexpr (b > 0) {
        const auto exchange = [&]<std::size_t... l>(std::index_sequence<l...>) {
            for (std::size_t i = 0; i < kLanes<T>; ++i) {
                if ((i & b) != 0) continue;
                const Vec<T> upper = x[i];
                const Vec<T> lower = x[i + b];
                x[i] = __builtin_shufflevector(upper, lower, ((l & b) == 0 ? l : kLanes<T> + l - b)...);
                x[i + b] = __builtin_shufflevector(upper, lower, ((l & b) == 0 ? l + b : kLanes<T> + l)...);
            }
        };
        exchange(std::make_index_sequence<kLanes<T>>{});
        transpose_registers<T, b / 2>(x);
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

template <class T>
constexpr Kernels<T> kTable = {
    {largest<T>, square_sum<T>, accumulate<T>, centred<T>},
    start_direct<T>,
    product<T>,
    start_product<T>,
    curve<T>,
    {ab_relu<T>, exponential<T>, exponential<T>, erf<T>, gelu<T>, mehler<T>, mehler<T>, sinusoid<T>,
     rectified_monomial<T>, step<T>, gaussian<T>, expanded<T>, piecewise_linear<T>},
    store_sigma<T>,
    store_theta<T>,
    transpose<T>,
    copy<T>,
    stream_fence,
    hermite,
    smooth};

}  // namespace

extern const Kernels<float> kFloat;
extern const Kernels<double> kDouble;
const Kernels<float> kFloat = kTable<float>;
const Kernels<double> kDouble = kTable<double>;

}  // namespace ntkcore::tile::NTKCORE_ISA
