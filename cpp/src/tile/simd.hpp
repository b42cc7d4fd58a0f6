// Vectors as wide as the instruction set that this file is compiled for. Arithmetic is written with the compiler's
// vector types (GCC and Clang); only square roots and mask tests need an intrinsic.
//
// Everything lives in a namespace named after the instruction set: the same source is compiled several times, and an
// inline function that the linker shared between the copies could bring AVX-512 code to a machine without it.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#ifndef NTKCORE_ISA
#error "NTKCORE_ISA names the instruction set, for example baseline"
#endif

namespace ntkcore::tile::NTKCORE_ISA {

#if defined(__AVX512F__)
constexpr std::size_t kBytes = 64;
#elif defined(__AVX__)
constexpr std::size_t kBytes = 32;
#else
constexpr std::size_t kBytes = 16;
#endif

template <class T>
struct Types;
template <>
struct Types<float> {
    typedef float vec __attribute__((vector_size(kBytes)));
    typedef float unaligned __attribute__((vector_size(kBytes), aligned(4), may_alias));
    typedef std::int32_t bits __attribute__((vector_size(kBytes)));
    static constexpr std::int32_t sign = INT32_MIN;
};
template <>
struct Types<double> {
    typedef double vec __attribute__((vector_size(kBytes)));
    typedef double unaligned __attribute__((vector_size(kBytes), aligned(8), may_alias));
    typedef std::int64_t bits __attribute__((vector_size(kBytes)));
    static constexpr std::int64_t sign = INT64_MIN;
};

template <class T>
using Vec = typename Types<T>::vec;
template <class T>
using Bits = typename Types<T>::bits;
template <class T>
constexpr std::size_t kLanes = kBytes / sizeof(T);

template <class T>
inline Vec<T> load(const T* p) {
    return *reinterpret_cast<const typename Types<T>::unaligned*>(p);
}
template <class T>
inline void store(T* p, Vec<T> v) {
    *reinterpret_cast<typename Types<T>::unaligned*>(p) = v;
}
// To an address that is a multiple of kBytes, past the caches where the machine can.
template <class T>
inline void stream(T* p, Vec<T> v) {
#if defined(__AVX512F__)
    _mm512_stream_si512((__m512i*)p, (__m512i)v);
#elif defined(__AVX__)
    _mm256_stream_si256((__m256i*)p, (__m256i)v);
#elif defined(__SSE2__)
    _mm_stream_si128((__m128i*)p, (__m128i)v);
#else
    store(p, v);
#endif
}
// Makes streamed stores visible to other threads.
inline void stream_fence() {
#if defined(__SSE2__)
    _mm_sfence();
#endif
}
template <class T>
inline Vec<T> splat(T x) {
    return x - Vec<T>{};  // not 0 + x, which is no broadcast where x may be −0
}

template <class T>
inline Vec<T> abs(Vec<T> x) {
    return reinterpret_cast<Vec<T>>(reinterpret_cast<Bits<T>>(x) & ~Types<T>::sign);
}
template <class T>
inline Bits<T> sign_bits(Vec<T> x) {
    return reinterpret_cast<Bits<T>>(x) & Types<T>::sign;
}
// x with its sign flipped where `sign` has the sign bit set.
template <class T>
inline Vec<T> flip(Vec<T> x, Bits<T> sign) {
    return reinterpret_cast<Vec<T>>(reinterpret_cast<Bits<T>>(x) ^ sign);
}
// x ≥ 0 with the given sign bit.
template <class T>
inline Vec<T> with_sign(Vec<T> x, Bits<T> sign) {
    return reinterpret_cast<Vec<T>>(reinterpret_cast<Bits<T>>(x) | sign);
}
// −1 (all bits) in every lane whose sign bit is set, also for −0.
template <class T>
inline Bits<T> negative(Vec<T> x) {
    return reinterpret_cast<Bits<T>>(x) < 0;
}
// −|x|: the sign bit set in every lane, also for 0.
template <class T>
inline Vec<T> minus_abs(Vec<T> x) {
    return reinterpret_cast<Vec<T>>(reinterpret_cast<Bits<T>>(x) | Types<T>::sign);
}

inline Vec<float> sqrt(Vec<float> x) {
#if defined(__AVX512F__)
    return (Vec<float>)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX__)
    return (Vec<float>)_mm256_sqrt_ps((__m256)x);
#elif defined(__SSE2__)
    return (Vec<float>)_mm_sqrt_ps((__m128)x);
#elif defined(__aarch64__)
    return (Vec<float>)vsqrtq_f32((float32x4_t)x);
#else
    for (std::size_t l = 0; l < kLanes<float>; ++l) x[l] = __builtin_sqrtf(x[l]);
    return x;
#endif
}
inline Vec<double> sqrt(Vec<double> x) {
#if defined(__AVX512F__)
    return (Vec<double>)_mm512_sqrt_pd((__m512d)x);
#elif defined(__AVX__)
    return (Vec<double>)_mm256_sqrt_pd((__m256d)x);
#elif defined(__SSE2__)
    return (Vec<double>)_mm_sqrt_pd((__m128d)x);
#elif defined(__aarch64__)
    return (Vec<double>)vsqrtq_f64((float64x2_t)x);
#else
    for (std::size_t l = 0; l < kLanes<double>; ++l) x[l] = __builtin_sqrt(x[l]);
    return x;
#endif
}

// √x for x in [1, 2]. AVX-512 has a 14-bit estimate of 1/√x; Newton steps on it run beside the divider unit, which
// already has another root to draw.
inline Vec<float> sqrt_near_one(Vec<float> x) {
#if defined(__AVX512F__)
    const Vec<float> y = (Vec<float>)_mm512_rsqrt14_ps((__m512)x);
    const Vec<float> g = x * y;
    const Vec<float> r = 1 - g * y;  // √x = g (1 − r)^{-½}
    return g + (g * 0.5F) * r;
#else
    return sqrt(x);
#endif
}
inline Vec<double> sqrt_near_one(Vec<double> x) {
#if defined(__AVX512F__)
    const Vec<double> y = (Vec<double>)_mm512_rsqrt14_pd((__m512d)x);
    const Vec<double> g = x * y;
    const Vec<double> r = 1 - g * y;  // √x = g (1 − r)^{-½}, |r| < 2^{-13}: the series to r³ reaches 2^{-54}
    return g + (g * r) * (0.5 + r * (0.375 + r * 0.3125));
#else
    return sqrt(x);
#endif
}

// √x and 1/√x for 0 < x of moderate size, with AVX-512 likewise from the estimate: the divider unit is slow, and the
// formulas that need a root also divide.
template <class T>
struct Root {
    Vec<T> value, inverse;
};
template <class T>
inline Root<T> root(Vec<T> x) {
#if defined(__AVX512F__)
    Vec<T> y;
    if constexpr (sizeof(T) == sizeof(float)) {
        y = (Vec<T>)_mm512_rsqrt14_ps((__m512)x);
    } else {
        y = (Vec<T>)_mm512_rsqrt14_pd((__m512d)x);
    }
    const Vec<T> g = x * y;
    const Vec<T> r = 1 - g * y;
    Vec<T> more;  // (1 − r)^{-½} − 1
    if constexpr (sizeof(T) == sizeof(float)) {
        more = r * (T(0.5) + r * T(0.375));
    } else {
        more = r * (T(0.5) + r * (T(0.375) + r * T(0.3125)));
    }
    return {g + g * more, y + y * more};
#else
    const Vec<T> value = sqrt(x);
    return {value, 1 / value};
#endif
}

// a·b − p, where p is a·b rounded: exact with fused multiply-add, and 0 on machines without it.
template <class T>
inline Vec<T> fused_difference(Vec<T> a, Vec<T> b, Vec<T> p) {
#if defined(__FMA__) || defined(__aarch64__)
    return a * b - p;  // contracted by -ffp-contract=fast
#else
    (void)a;
    (void)b;
    return p - p;
#endif
}

// Does any lane of the comparison result hold?
template <class T>
inline bool any(Bits<T> mask) {
#if defined(__AVX512F__)
    return _mm512_test_epi64_mask((__m512i)mask, (__m512i)mask) != 0;
#elif defined(__AVX__)
    return _mm256_testz_si256((__m256i)mask, (__m256i)mask) == 0;
#elif defined(__SSE2__)
    return _mm_movemask_epi8((__m128i)mask) != 0;
#else
    typename Types<T>::bits m = mask;
    bool found = false;
    for (std::size_t l = 0; l < kLanes<T>; ++l) found |= m[l] != 0;
    return found;
#endif
}

// Is any lane of a greater than b?
inline bool any_greater(Vec<float> a, Vec<float> b) {
#if defined(__AVX512F__)
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ) != 0;
#else
    return any<float>(a > b);
#endif
}
inline bool any_greater(Vec<double> a, Vec<double> b) {
#if defined(__AVX512F__)
    return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_GT_OQ) != 0;
#else
    return any<double>(a > b);
#endif
}

}  // namespace ntkcore::tile::NTKCORE_ISA
