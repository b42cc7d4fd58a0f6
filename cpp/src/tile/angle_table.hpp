// Kernels that depend on the angle alone: polynomials in bins of t = √|u| + offset take the place of all layers.
//
// A bin is the numbers t that share their exponent and the leading bits of their fraction; the others are the variable
// of its polynomials. Gathers are slow, or missing: each lane's coefficients are loaded as blocks of 16 bytes, and
// transposed in registers.
#pragma once

#include <cstdint>
#include <utility>

#include "kernels.hpp"
#include "moves.hpp"
#include "simd.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

template <class T>
struct Unsigned;
template <>
struct Unsigned<float> {
    using number = std::uint32_t;
    typedef number vec __attribute__((vector_size(kBytes)));
    static constexpr int fraction = 23;
    static constexpr number one = 0x3f800000U;  // the bits of 1
};
template <>
struct Unsigned<double> {
    using number = std::uint64_t;
    typedef number vec __attribute__((vector_size(kBytes)));
    static constexpr int fraction = 52;
    static constexpr number one = 0x3ff0000000000000U;
};

template <class T>
constexpr std::size_t kBlock = 16 / sizeof(T);

// Block b of the result comes from line[b·kBlock + i] + at.
template <class T>
inline Vec<T> blocks(const T* const* line, std::size_t i, std::size_t at) {
    constexpr std::size_t B = kBlock<T>;
#if defined(__AVX512F__)
    const auto part = [&](std::size_t b) { return _mm_loadu_pd((const double*)(line[b * B + i] + at)); };
    __m512d x = _mm512_castpd128_pd512(part(0));
    x = _mm512_mask_broadcast_f64x2(x, 0x0C, part(1));
    x = _mm512_mask_broadcast_f64x2(x, 0x30, part(2));
    x = _mm512_mask_broadcast_f64x2(x, 0xC0, part(3));
    return (Vec<T>)x;
#elif defined(__AVX__)
    const auto part = [&](std::size_t b) { return _mm_loadu_pd((const double*)(line[b * B + i] + at)); };
    return (Vec<T>)_mm256_insertf128_pd(_mm256_castpd128_pd256(part(0)), part(1), 1);
#else
    static_assert(kLanes<T> == B);
    return load(line[i] + at);
#endif
}

template <class T, std::size_t kFunctions, bool kRho>
void angle_table_of(const TableCall<T>& call) {
    constexpr std::size_t L = kLanes<T>, B = kBlock<T>, D = kTableTerms<T>;
    using U = Unsigned<T>;
    using Index = typename U::vec;
    const int shift = U::fraction - call.bits;
    const auto low = static_cast<typename U::number>((typename U::number{1} << shift) - 1);
    const Vec<T> one = splat<T>(1), offset = splat<T>(call.offset[0]), far_offset = splat<T>(call.offset[1]);
    const Index first = reinterpret_cast<Index>(offset) >> shift;
    const Index far_first = (reinterpret_cast<Index>(far_offset) >> shift) - static_cast<typename U::number>(call.bins);
    for (std::size_t j = call.begin; j < call.end; j += L) {
        const Vec<T> u = load(call.u + j);
        const Vec<T> size = abs<T>(u);
        // no bin is beyond the table, whatever the padding holds
        const Bits<T> far = negative<T>(u);
        const Index t = reinterpret_cast<Index>(sqrt(size < one ? size : one) + (far ? far_offset : offset));
        const Index bin = (t >> shift) - (far ? far_first : first);
        const Vec<T> x = reinterpret_cast<Vec<T>>((t & low) | U::one) - one;
        const T* line[L];
        for (std::size_t l = 0; l < L; ++l) line[l] = call.coefficients + std::size_t{bin[l]} * (kFunctions * D);
        for (std::size_t f = 0; f < kFunctions; ++f) {
            Vec<T> c[D];
            for (std::size_t k = 0; k < D; k += B) {
                for (std::size_t i = 0; i < B; ++i) c[k + i] = blocks(line, i, f * D + k);
                transpose_registers<T, B>(c + k);
            }
            Vec<T> sum = c[D - 1];
            for (std::size_t k = D - 1; k-- > 0;) sum = sum * x + c[k];
            if (kRho && f == 0) sum = flip<T>(abs<T>(1 - abs<T>(sum)), sign_bits<T>(sum));
            store(call.out[f] + j, sum);
        }
    }
}

template <class T>
void angle_table(const TableCall<T>& call) {
    constexpr void (*kWays[2][3])(const TableCall<T>&) = {
        {angle_table_of<T, 1, false>, angle_table_of<T, 2, false>, angle_table_of<T, 3, false>},
        {angle_table_of<T, 1, true>, angle_table_of<T, 2, true>, angle_table_of<T, 3, true>}};
    kWays[call.rho ? 1 : 0][call.functions - 1](call);
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
