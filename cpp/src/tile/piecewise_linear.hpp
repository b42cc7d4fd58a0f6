// Continuous piecewise linear functions, exactly. With kinks b, jumps c_b of the slope there, h = b/√q and θ = arccos
// ρ, Price's theorem gives
//   ∂²E[σσ']/∂ρ² = √(qq') Σ c_b c_b' φ₂(h, h'; ρ),
// and from ρ = 1 down, with C = c√q/√E and t = tan θ/2,
//   D = D₁ − Σ CC' Q₀,   1 − ρ̂ = ½|f − f'|² + w D₁ − Σ CC' Q₁,
//   Q₀ = (1/2π) ∫₀^θ g dφ,   Q₁ = (1/2π) ∫₀^θ g (cos φ − cos θ) dφ,   g = exp(−½(h−h')²/sin²φ − hh'/(1 + cos φ))
// (Q₀ is Φ(−max(h, h')) less the probability of the orthant z > h, z' > h'). tan φ/2 = t u turns both into
//   Q₀ = (t/π) e^{−(h²+h'²)/4} ∫₀¹ e^{−κ²/2u²} e^{−cu²}/(1+t²u²) du,         κ = |h − h'|/2t,  c = (h+h')²t²/8
//   Q₁ = (tw/π) e^{−(h²+h'²)/4} ∫₀¹ e^{−κ²/2u²} (1−u²) e^{−cu²}/(1+t²u²)² du,
// whose second factors are power series in t²u², with the moments e^{κ²/2}∫ u^{2j} e^{−κ²/2u²} du = n_j,
//   n_j = (1 − κ² n_{j−1})/(2j + 1),   n_0 = 1 − κ √(π/2) e^{κ²/2} erfc(κ/√2).
// f = σ(√q z)/√E is a straight line between the kinks of either sample: there |f − f'|² is integrated without
// cancellation; as is D₁ = E[ff' slopes].
//
// For |ρ| < 0.8 the Hermite series converges as fast: the coefficients are those of expanded.hpp, in closed form.
#pragma once

#include "affine.hpp"
#include "piecewise_linear_tables.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

// e^{κ²/2} ∫₀¹ e^{−κ²/2u²} du in x = (κ−4)/(κ+4), for κ ≤ 8.7.
template <class T>
struct LayerSeries;
template <>
struct LayerSeries<float> {
    static constexpr float kMostSquare = 36.0F;
    static constexpr float kNarrow = 0.15F;
    static constexpr float kTiny = 1e-30F;
    static constexpr float c[] = {0.05339046883F,   -0.1847239544F,   0.2766807149F,  -0.2514397529F,
                                  0.1580668539F,    -0.06618686815F,  0.01395593812F, 0.002225327338F,
                                  -0.002836037946F, -0.0006168102715F};
};
template <>
struct LayerSeries<double> {
    static constexpr double kMostSquare = 75.0;
    static constexpr double kNarrow = 0.01;
    static constexpr double kTiny = 1e-200;
    static constexpr double c[] = {
        0.053390468345757337241,     -0.1847240762442512862,    0.27668067797618711733,    -0.25143429593459762513,
        0.15807460034390263931,      -0.066245655725208558265,  0.013811373035669978313,   0.0023172197402093283621,
        -0.0022110496723557171881,   0.00012251384309789292677, 0.00029202378761552295437, -0.000041672123858564617257,
        -0.000044955373519835535237, 6.5881216984609766666e-6,  8.3498455784997289264e-6,  -4.7872008560928014643e-7,
        -1.938958526207313536e-6,    -6.5875093964807628587e-7, -5.8680527290342705753e-8, 6.443717668601822799e-9};
};

template <class T, int kParity>
struct PiecewiseLinear {
    static constexpr Sign kSign = Sign::any;

    // One sample: edges of its pieces (those at ±∞ included), Φ − ½, Φ(−|z|) and φ there; the pieces.
    template <class V>
    struct Pieces {
        V edge[kMostKinks + 2], bulk[kMostKinks + 2], tail[kMostKinks + 2], density[kMostKinks + 2];
        V value[kMostKinks + 1], slope[kMostKinks + 1];
    };

    explicit PiecewiseLinear(const LayerCall<T>& call)
        : layout{static_cast<std::size_t>(call.constants[1]), static_cast<std::size_t>(call.constants[2])},
          needed(call.constants + 3),
          columns(call.tables),
          stride(call.stride) {
        for (std::size_t k = 0; k < layout.terms; ++k) row[k] = call.row_tables[k * call.row_stride];
        read(straight, [&](std::size_t table) { return call.row_tables[table * call.row_stride]; });
        const std::size_t last = layout.kinks + 1;
        for (std::size_t k = 0; k <= last; ++k) {  // those of σ(−x)
            mirrored.edge[k] = -straight.edge[last - k];
            mirrored.bulk[k] = -straight.bulk[last - k];
            mirrored.tail[k] = straight.tail[last - k];
            mirrored.density[k] = straight.density[last - k];
        }
        for (std::size_t k = 0; k < last; ++k) {
            mirrored.value[k] = straight.value[last - 1 - k];
            mirrored.slope[k] = -straight.slope[last - 1 - k];
        }
    }

    template <class V, class Read>
    void read(Pieces<V>& to, Read table) const {
        constexpr T kFar = T(40);
        const std::size_t last = layout.kinks + 1;
        to.edge[0] = V{} - kFar;
        to.edge[last] = V{} + kFar;
        to.bulk[0] = V{} - T(0.5);
        to.bulk[last] = V{} + T(0.5);
        to.tail[0] = to.tail[last] = to.density[0] = to.density[last] = V{};
        for (std::size_t b = 0; b < layout.kinks; ++b) {
            to.edge[b + 1] = table(layout.edge(b));
            to.bulk[b + 1] = table(layout.edge(b) + 1);
            to.tail[b + 1] = table(layout.edge(b) + 2);
            to.density[b + 1] = table(layout.edge(b) + 3);
        }
        for (std::size_t k = 0; k < last; ++k) {
            to.value[k] = table(layout.value(k));
            to.slope[k] = table(layout.slope(k));
        }
    }

    struct Near {
        Vec<T> gap, slope;  // 1 − ρ̂ and ∂ρ̂/∂ρ
    };

    // (p + sz)² φ(z) at the end of an interval, and its first and third derivative.
    struct End {
        End(Vec<T> p, Vec<T> s, Vec<T> z, Vec<T> phi) {
            const Vec<T> e = p + s * z;
            value = e * e * phi;
            first = e * (2 * s - z * e) * phi;
            third = (e * e * z * (3 - z * z) + 6 * s * (e * (z * z - 1) - s * z)) * phi;
        }
        Vec<T> value, first, third;
    };

    // ½|f − f'|² and D₁: over each piece that a piece of the row shares with one of the column.
    [[nodiscard]] Near at_one(const Pieces<T>& x, const Pieces<Vec<T>>& y) const {
        Vec<T> distance{}, slopes{};
        for (std::size_t a = 0; a <= layout.kinks; ++a) {
            for (std::size_t b = 0; b <= layout.kinks; ++b) {
                const Vec<T> row_low = splat(x.edge[a]);
                const Vec<T> row_high = splat(x.edge[a + 1]);
                const Bits<T> low_row = row_low > y.edge[b];
                const Bits<T> high_row = row_high < y.edge[b + 1];
                const Vec<T> low = low_row ? row_low : y.edge[b];
                const Vec<T> high = high_row ? row_high : y.edge[b + 1];
                const Vec<T> width = high - low;
                const Bits<T> shared = width > 0;
                if (!any<T>(shared)) continue;
                const Vec<T> phi_low = low_row ? splat(x.density[a]) : y.density[b];
                const Vec<T> phi_high = high_row ? splat(x.density[a + 1]) : y.density[b + 1];
                const Vec<T> fall =
                    (low_row ? splat(x.tail[a]) : y.tail[b]) - (high_row ? splat(x.tail[a + 1]) : y.tail[b + 1]);
                const Vec<T> middle =
                    (high_row ? splat(x.bulk[a + 1]) : y.bulk[b + 1]) - (low_row ? splat(x.bulk[a]) : y.bulk[b]);
                const Vec<T> lower = high < T(-kPiecewiseBulk) ? -fall : middle;
                const Vec<T> mass = low > T(kPiecewiseBulk) ? fall : lower;
                const Vec<T> p = x.value[a] - y.value[b];
                const Vec<T> s = x.slope[a] - y.slope[b];
                const Vec<T> second = mass - (high * phi_high - low * phi_low);
                Vec<T> square = p * p * mass + 2 * (p * s) * (phi_low - phi_high) + s * s * second;
                const Bits<T> narrow = width < LayerSeries<T>::kNarrow;
                if (any<T>(narrow & shared)) {  // Euler and Maclaurin's formula for (f − f')² φ
                    const End left(p, s, low, phi_low);
                    const End right(p, s, high, phi_high);
                    const Vec<T> w2 = width * width;
                    const Vec<T> thin = width * (T(0.5) * (left.value + right.value) +
                                                 width * (left.first - right.first) * T(1.0 / 12) -
                                                 (w2 * width) * (left.third - right.third) * T(1.0 / 720));
                    square = narrow ? thin : square;
                }
                distance += shared ? square : Vec<T>{};
                slopes += shared ? (x.slope[a] * y.slope[b]) * mass : Vec<T>{};
            }
        }
        return {T(0.5) * distance, slopes};
    }

    // w ≤ 0.2, ρ > 0.
    [[nodiscard]] Near near(const Pieces<T>& x, const Pieces<Vec<T>>& y, Vec<T> w) const {
        constexpr T kInversePi = T(0.31830988618379067154);
        const Vec<T> t2 = maximum<T>(w / (2 - w), splat(LayerSeries<T>::kTiny));
        const Vec<T> t = sqrt(t2);
        const Vec<T> quarter = T(0.25) / t2;
        // t^{2n} falls below the rounding error
        T most = 0;
        for (std::size_t l = 0; l < kLanes<T>; ++l) most = w[l] <= T(kPiecewiseNear) && w[l] > most ? w[l] : most;
        constexpr std::size_t kOrders = sizeof(T) == sizeof(float) ? 9 : 18;
        const std::size_t orders = most > T(0.05)    ? kOrders
                                   : most > T(0.005) ? (kOrders * 2 + 2) / 3
                                                     : (kOrders * 4 + 8) / 10;
        Near result = at_one(x, y);
        Vec<T> orthant{}, weighted{};
        for (std::size_t a = 1; a <= layout.kinks; ++a) {
            const T jump_row = x.slope[a] - x.slope[a - 1];
            for (std::size_t b = 1; b <= layout.kinks; ++b) {
                const Vec<T> h = y.edge[b];
                const T k = x.edge[a];
                const Vec<T> difference = h - k;
                const Vec<T> sum = h + k;
                const Vec<T> kappa2 = minimum<T>(difference * difference * quarter, splat(LayerSeries<T>::kMostSquare));
                const Vec<T> kappa = sqrt(kappa2);
                const Vec<T> factor = (jump_row * (y.slope[b] - y.slope[b - 1])) *
                                      decay<T>(T(0.5) * kappa2 + T(0.25) * (h * h + k * k)).value;
                const Vec<T> c = T(0.125) * (sum * sum) * t2;
                Vec<T> moment = polynomial<T>(LayerSeries<T>::c, (kappa - 4) / (kappa + 4));
                Vec<T> exponential = splat(T(1)), p = exponential, r = exponential;
                Vec<T> first = moment, second = moment;
                for (std::size_t j = 1; j < orders; ++j) {
                    const T inverse = 1 / static_cast<T>(j);
                    moment = (1 - kappa2 * moment) * (1 / static_cast<T>(2 * j + 1));
                    exponential = -(exponential * c) * inverse;
                    p = exponential - t2 * p;  // of e^{−cz}/(1 + t²z)
                    const Vec<T> last = r;
                    r = p - t2 * r;  // of e^{−cz}/(1 + t²z)²
                    first += p * moment;
                    second += (r - last) * moment;
                }
                orthant += factor * first;
                weighted += factor * second;
            }
        }
        const Vec<T> scale = t * kInversePi;
        return {result.gap + w * (result.slope - scale * weighted), result.slope - scale * orthant};
    }

    // |ρ| < 0.8
    template <bool kSigned>
    [[nodiscard]] Dual<T> series(std::size_t j, Vec<T> w, Bits<T> opposite) const {
        T least = w[0];
        for (std::size_t l = 1; l < kLanes<T>; ++l) least = w[l] < least ? w[l] : least;
        least = least > T(kPiecewiseNear) ? least : T(kPiecewiseNear);
        Vec<T> rho = 1 - w;
        if constexpr (kSigned) rho = flip<T>(rho, opposite & Types<T>::sign);
        const Vec<T> x = kParity == kAllDegrees ? rho : rho * rho;
        const auto n = static_cast<std::size_t>(needed[static_cast<int>((1 - least) * T(kPiecewiseBuckets))]);
        const T* column = columns + j + (n - 1) * stride;
        Vec<T> g = row[n - 1] * load(column);
        Vec<T> h{};
        for (std::size_t k = n - 1; k-- > 0;) {
            column -= stride;
            h = h * x + g;
            g = g * x + row[k] * load(column);
        }
        Vec<T> value = g;
        Vec<T> slope = h;
        if constexpr (kParity == kOddDegrees) {
            value = rho * g;
            slope = g + 2 * x * h;
        } else if constexpr (kParity == kEvenDegrees) {
            slope = 2 * rho * h;
        }
        return {1 - value, 1 + value, slope};
    }

    template <bool kSigned>
    [[nodiscard]] Dual<T> dual(std::size_t j, Vec<T> w, Bits<T> opposite) const {
        const Bits<T> close = w <= splat(T(kPiecewiseNear));
        Dual<T> result{};
        if (any<T>(~close)) result = series<kSigned>(j, w, opposite);
        if (!any<T>(close)) return result;
        Pieces<Vec<T>> y;
        read(y, [&](std::size_t table) { return load(columns + table * stride + j); });
        const Near same = near(straight, y, w);
        Vec<T> mu = same.gap;
        Vec<T> nu = 2 - same.gap;
        Vec<T> slope = same.slope;
        if constexpr (kSigned) {
            if constexpr (kParity == kOddDegrees) {
                mu = opposite ? nu : same.gap;
                nu = opposite ? same.gap : nu;
            } else if constexpr (kParity == kEvenDegrees) {
                slope = opposite ? -slope : slope;
            } else if (any<T>(close & opposite)) {
                const Near turned = near(mirrored, y, w);
                mu = opposite ? turned.gap : mu;
                nu = opposite ? 2 - turned.gap : nu;
                slope = opposite ? -turned.slope : slope;
            }
        }
        return {close ? mu : result.mu, close ? nu : result.nu, close ? slope : result.slope};
    }

    PiecewiseTables layout;
    const T* needed;
    const T* columns;
    std::size_t stride;
    Pieces<T> straight, mirrored;
    T row[kPiecewiseTerms];
};

template <class T>
void piecewise_linear(const LayerCall<T>& call) {
    const int parity = static_cast<int>(call.constants[0]);
    if (parity == kOddDegrees) return affine_rows<T, PiecewiseLinear<T, kOddDegrees>>(call);
    if (parity == kEvenDegrees) return affine_rows<T, PiecewiseLinear<T, kEvenDegrees>>(call);
    return affine_rows<T, PiecewiseLinear<T, kAllDegrees>>(call);
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
