// The layer a·sin(bx + c). Its odd part cos c·sin bx and its even part sin c·cos bx are orthogonal; with Q = |b|√q, y =
// QQ', f_o² = ½(1 − e^{−2Q²}) and f_e² = ½(1 + e^{−2Q²}),
//   ρ̂_o = ½(E₋ − E₊)/(f_o f_o'),   ρ̂_e = ½(E₋ + E₊)/(f_e f_e'),   E∓ = exp(−½(Q² + Q'²) ± y|ρ|),   E₋E₊ = e^{−Q²−Q'²}.
// Without cancellation, with e = 1 − E₋ = 1 − exp(−½(Q−Q')² − y w) and A = e^{−Q²}:
//   even: f_e f_e' μ = ½ e(1 − E₊) + ¼(A−A')² − ½(f_e−f_e')²
//   odd:  f_o f_o' μ = ½ e(1 + E₊) − ¼(A−A')² − ½(f_o−f_o')²
// The odd one loses digits between norms that are far apart, as for erf; there 1 − ρ̂_o is taken directly where Q > 1,
// and else split into the linear part, of weight ℓ² = Q²/sinh Q², and the rest.
//
// Constants: 1 if there is an odd part, 1 if there is an even part.
#pragma once

#include "affine.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

template <class T, bool kOddPresent, bool kEvenPresent>
struct Sinusoid {
    static constexpr Sign kSign = kOddPresent ? Sign::follows : Sign::positive;
    static constexpr bool kLow = sizeof(T) == sizeof(float);
    static constexpr T kSmall = sizeof(T) == sizeof(float) ? T(8.6e-5) : T(3.7e-9);  // √ε/4

    explicit Sinusoid(const LayerCall<T>& call)
        : tables(call),
          q(tables.row(kSinQ)),
          q2(tables.row(kSinQ2)),
          a(tables.row(kFaded)),
          fade(tables.row(kFade)),
          odd_half_root(tables.row(kOddHalfRoot)),
          odd_inverse(tables.row(kOddInverse)),
          odd_slope(tables.row(kOddSlope)),
          even_half_root(tables.row(kEvenHalfRoot)),
          even_inverse(tables.row(kEvenInverse)),
          even_slope(tables.row(kEvenSlope)) {
        if constexpr (kLow) low = tables.row(kSinQLow);
    }

    template <bool kSigned>
    [[nodiscard]] Dual<T> dual(std::size_t j, Vec<T> w, Bits<T> opposite) const {
        const Vec<T> qj = tables.column(kSinQ, j);
        Vec<T> d = q - qj;
        if constexpr (kLow) d += low - tables.column(kSinQLow, j);
        const Vec<T> y = q * qj;
        const auto [near, e] = decay<T>(T(0.5) * d * d + y * w);   // E₋, 1 − E₋
        const Vec<T> far = (a * tables.column(kFaded, j)) / near;  // E₊
        const Vec<T> d_fade = fade - tables.column(kFade, j);
        const Vec<T> half_e = T(0.5) * e;
        const Vec<T> half_far = T(0.5) * far;
        const Vec<T> half_near = T(0.5) * near;

        Vec<T> odd{}, even{}, cosh_part{}, sinh_part{};
        if constexpr (kOddPresent) {
            odd = odd_gap(j, w, d, half_e + half_e * far, d_fade * d_fade, half_near, y);
            cosh_part = (odd_slope * tables.column(kOddSlope, j)) * (half_near + half_far);
        }
        if constexpr (kEvenPresent) {
            const Vec<T> d_root = even_half_root - tables.column(kEvenHalfRoot, j);
            even = ((half_e - half_e * far) + (d_fade * d_fade - d_root * d_root)) *
                   (even_inverse * tables.column(kEvenInverse, j));
            Vec<T> difference = half_near - half_far;
            const Bits<T> small = y < splat(kLow ? T(0.25) : T(0.015625));
            if (any<T>(small)) difference = small ? half_near * decay<T>(2 * y * abs<T>(1 - w)).complement : difference;
            sinh_part = (even_slope * tables.column(kEvenSlope, j)) * difference;
        }

        if constexpr (!kEvenPresent) {
            const Vec<T> other = 2 - odd;
            if constexpr (!kSigned) return {odd, other, cosh_part};
            return {opposite ? other : odd, opposite ? odd : other, cosh_part};
        } else if constexpr (!kOddPresent) {
            if constexpr (kSigned) sinh_part = opposite ? -sinh_part : sinh_part;
            return {even, Vec<T>{}, sinh_part};
        } else {
            const Vec<T> ro = tables.column(kOddPart, j);
            const Vec<T> re = tables.column(kEvenPart, j);
            const Vec<T> d_odd = tables.row(kOddPart) - ro;
            const Vec<T> d_even = tables.row(kEvenPart) - re;
            const Vec<T> spread = T(0.5) * (d_odd * d_odd + d_even * d_even);
            const Vec<T> odd_weight = tables.row(kOddPart) * ro;
            const Vec<T> even_weight = tables.row(kEvenPart) * re;
            Vec<T> odd_minus = odd;
            Vec<T> odd_plus = 2 - odd;
            if constexpr (kSigned) {
                odd_minus = opposite ? 2 - odd : odd;
                odd_plus = opposite ? odd : 2 - odd;
                sinh_part = opposite ? -sinh_part : sinh_part;
            }
            return {spread + odd_weight * odd_minus + even_weight * even,
                    spread + odd_weight * odd_plus + even_weight * (2 - even), cosh_part + sinh_part};
        }
    }

    // `bracket`: ½ e(1 + E₊); `fade2`: ¼(A−A')²; ½E₋
    [[nodiscard]] Vec<T> odd_gap(std::size_t j, Vec<T> w, Vec<T> d, Vec<T> bracket, Vec<T> fade2, Vec<T> half_near,
                                 Vec<T> y) const {
        const Vec<T> q2j = tables.column(kSinQ2, j);
        const Vec<T> larger = maximum<T>(splat(q2), q2j);
        const Vec<T> inverse = odd_inverse * tables.column(kOddInverse, j);
        Vec<T> d_root = odd_half_root - tables.column(kOddHalfRoot, j);
        // f_o² − f_o'² = A A' sinh(Q² − Q'²): a difference of roots whose rounding agrees with that of Q − Q'
        const Bits<T> small = larger < splat(T(0.0625));
        if (any<T>(small)) {
            const Vec<T> x = d * (q + tables.column(kSinQ, j));
            const Vec<T> sinh = x + x * (x * x) * sinh_series<T>(minimum<T>(x * x, splat(T(1))));
            const Vec<T> faded = a * tables.column(kFaded, j);
            const Vec<T> precise = T(0.5) * faded * sinh / (odd_half_root + tables.column(kOddHalfRoot, j));
            d_root = small ? precise : d_root;
        }
        const Vec<T> gap = (bracket - fade2 - d_root * d_root) * inverse;
        const Vec<T> reach = minimum<T>(8 * larger, splat(T(0.9)));
        const Bits<T> together = (abs<T>(q2 - q2j) < reach * larger) & (larger > splat(kSmall));
        if (!any<T>(~together)) return gap;
        const Vec<T> sinh_part = half_near * decay<T>(2 * y * abs<T>(1 - w)).complement;  // ½(E₋ − E₊)
        const Vec<T> direct = 1 - sinh_part * inverse;
        if (!any<T>(~together & (larger <= splat(T(1))))) return together ? gap : direct;
        const Vec<T> apart = larger > splat(T(1)) ? direct : split(j, w);
        return together ? gap : apart;
    }

    [[nodiscard]] Vec<T> split(std::size_t j, Vec<T> w) const {
        const Vec<T> rho = 1 - w;
        const Vec<T> y = tables.row(kUnitQ) * tables.column(kUnitQ, j) * rho;
        const Vec<T> cubic = rho * rho * rho * sinh_series<T>(y * y);
        const Vec<T> dl = tables.row(kSinLinear) - tables.column(kSinLinear, j);
        const Vec<T> dm = tables.row(kSinRest) - tables.column(kSinRest, j);
        const Vec<T> scale = tables.row(kSinCubic) * tables.column(kSinCubic, j);
        return (tables.row(kSinLinear) * tables.column(kSinLinear, j)) * w + T(0.5) * (dl * dl + dm * dm) +
               (tables.row(kSinRest) * tables.column(kSinRest, j)) * (1 - cubic * scale);
    }

    Tables<T> tables;
    T q, low = 0, q2, a, fade, odd_half_root, odd_inverse, odd_slope, even_half_root, even_inverse, even_slope;
};

// The odd part alone, in rows where no pair is close to the limits that odd_gap watches.
template <class T>
struct Sine {
    static constexpr Sign kSign = Sign::odd;
    static constexpr bool kLow = sizeof(T) == sizeof(float);

    explicit Sine(const LayerCall<T>& call)
        : tables(call),
          q(tables.row(kSinQ)),
          a(tables.row(kFaded)),
          fade(tables.row(kFade)),
          half_root(tables.row(kOddHalfRoot)),
          inverse(tables.row(kOddInverse)),
          half_slope(T(0.5) * tables.row(kOddSlope)) {
        if constexpr (kLow) low = tables.row(kSinQLow);
    }

    // E₋ and 1 − E₋
    void passes(std::size_t begin, std::size_t end, const T* u_row, Buffer<T> buffer) const {
        const T half = T(0.5);
        decay_row<T>(
            begin, end,
            [&](std::size_t j) {
                const Vec<T> qj = tables.column(kSinQ, j);
                Vec<T> d = q - qj;
                if constexpr (kLow) d += low - tables.column(kSinQLow, j);
                return half * d * d + (q * qj) * abs<T>(load(u_row + j));
            },
            buffer[0], buffer[1]);
    }

    template <bool kSigned>
    [[nodiscard]] Dual<T> dual(std::size_t j, Vec<T> /*w*/, Bits<T> /*opposite*/, Buffer<T> buffer) const {
        const Vec<T> near = load(buffer[0] + j);
        const Vec<T> far = (a * tables.column(kFaded, j)) / near;  // E₊
        const Vec<T> half_e = T(0.5) * load(buffer[1] + j);
        const Vec<T> d_fade = fade - tables.column(kFade, j);
        const Vec<T> d_root = half_root - tables.column(kOddHalfRoot, j);
        const Vec<T> gap = (half_e + half_e * far) - (d_fade * d_fade + d_root * d_root);
        return {gap * (inverse * tables.column(kOddInverse, j)), Vec<T>{},
                (half_slope * tables.column(kOddSlope, j)) * (near + far)};
    }

    // Is larger than 0.11, the larger Q² of each pair, and no f_o² below a tenth of the other?
    [[nodiscard]] static bool suits(const LayerCall<T>& call) {
        const Tables<T> tables(call);
        const T root = tables.row(kOddHalfRoot);
        const T block_least = tables.columns[kLeastOdd * tables.stride];
        const T block_most = tables.columns[kMostOdd * tables.stride];
        const T least = root < block_least ? root : block_least;
        const T most = root > block_most ? root : block_most;
        const T larger = root > block_least ? root : block_least;
        return larger * larger > T(0.0505) && least * least > T(0.101) * (most * most);
    }

    Tables<T> tables;
    T q, low = 0, a, fade, half_root, inverse, half_slope;
};

template <class T>
void sinusoid(const LayerCall<T>& call) {
    const bool odd = call.constants[0] != 0;
    const bool even = call.constants[1] != 0;
    if (odd && even) return affine_rows<T, Sinusoid<T, true, true>>(call);
    if (even) return affine_rows<T, Sinusoid<T, false, true>>(call);
    if (Sine<T>::suits(call)) return affine_rows<T, Sine<T>>(call);
    return affine_rows<T, Sinusoid<T, true, false>>(call);
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
