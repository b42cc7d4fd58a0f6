#include "layers/sinusoid.hpp"

#include <algorithm>
#include <cmath>

#include "layers/special.hpp"
#include "tile/tables.hpp"

namespace ntkcore {

using namespace tile;

template <class T>
std::size_t SinusoidLayer<T>::tables() const {
    return kSinusoidTables;
}

template <class T>
void SinusoidLayer<T>::tabulate(const Scaled* q, std::size_t n, T* tables, std::size_t stride, Moments* moments) const {
    const Scaled a2 = square(a_), b2 = square(b_), odd2 = square(odd_), even2 = square(even_), a2b2 = a2 * b2;
    for (std::size_t i = 0; i < n; ++i) {
        const auto put = [&](std::size_t table, double value) { tables[table * stride + i] = static_cast<T>(value); };
        const Scaled exact = b2 * q[i];
        // Q; a vanishing one only enters as Q/f_o
        const double root = std::clamp(sqrt(exact).value(), 1.0 / kLargestRoot<T>, kLargestRoot<T>);
        const double q2 = root * root;
        // F_o = ½(1 − e^{−2Q²}), F_e = ½(1 + e^{−2Q²}), and E = a² (o² F_o + e² F_e)
        const double a = std::exp(-q2);
        const double fade = -std::expm1(-q2);  // 1 − A
        const double odd = 0.5 * fade * (1.0 + a);
        const double even = 1.0 - odd;
        const Scaled odd_exact = exact.value() < 1e-100 ? exact : Scaled(odd);
        const Scaled odd_part = odd2 * odd_exact;
        const Scaled even_part = even * even2;
        const Scaled e = odd_part + even_part;
        const Scaled slope = odd2 * Scaled(even) + even2 * odd_exact;
        moments[i] = {a2 * e, a2b2 * slope, a_ * b_ * odd_ * std::sqrt(a)};
        moments[i].curvature = finite(exact.value() * exact.value());  // σ̈ = −b²σ
        if (tables == nullptr) continue;

        const double odd_weight = e.zero() ? 1.0 : std::sqrt(ratio(odd_part, e));
        const double even_weight = e.zero() ? 0.0 : std::sqrt(ratio(even_part, e));
        const auto rounded = static_cast<double>(static_cast<T>(root));
        put(kSinQ, root);
        put(kSinQLow, root - rounded);
        put(kSinQ2, q2);
        put(kFaded, a);
        put(kFade, 0.5 * fade);
        put(kOddHalfRoot, std::sqrt(0.5 * odd));
        put(kOddInverse, 1.0 / std::sqrt(odd));
        put(kOddSlope, odd_weight * root / std::sqrt(odd));
        put(kEvenHalfRoot, std::sqrt(0.5 * even));
        put(kEvenInverse, 1.0 / std::sqrt(even));
        put(kEvenSlope, even_weight * root / std::sqrt(even));
        put(kOddPart, odd_weight);
        put(kEvenPart, even_weight);
        // The linear part's share of the odd one: 1/S, S = sinh(Q²)/Q² = 1 + z s, s = (sinh x − x)/x³ at x² = z = Q⁴
        const double unit = std::min(q2, 1.0);
        const double z = unit * unit;
        const double s = sinh_cubic(z);
        put(kUnitQ, std::sqrt(unit));
        put(kSinLinear, 1.0 / std::sqrt(1.0 + z * s));
        put(kSinRest, unit * std::sqrt(s / (1.0 + z * s)));
        put(kSinCubic, 1.0 / std::sqrt(s));
    }
    if (n == 0 || tables == nullptr) return;
    T* const odd = tables + kOddHalfRoot * stride;
    const auto [least, most] = std::minmax_element(odd, odd + n);
    std::fill_n(tables + kLeastOdd * stride, n, *least);
    std::fill_n(tables + kMostOdd * stride, n, *most);
}

template class SinusoidLayer<float>;
template class SinusoidLayer<double>;

}  // namespace ntkcore
