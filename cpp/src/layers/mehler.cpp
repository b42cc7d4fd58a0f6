#include "layers/mehler.hpp"

#include <algorithm>
#include <cmath>

#include "layers/special.hpp"

namespace ntkcore {
namespace {

long double wide(Scaled x) { return std::ldexp(static_cast<long double>(x.hi) + x.lo, std::clamp(x.e, -10000, 10000)); }

Scaled power(Scaled x, std::size_t n) {
    Scaled result(1.0);
    for (; n > 0; n >>= 1U) {
        if ((n & 1U) != 0) result = result * x;
        x = x * x;
    }
    return result;
}

// x^n = Σ_k n!/(√k! 2^i i!) h_k, i = (n−k)/2. Powers of √q are taken relative to the lowest one present if q < 1, else
// to the highest: that one is the factor.
Scaled expand_polynomial(const std::vector<double>& c, Scaled q, long double* a) {
    const auto present = [](double x) { return x != 0.0; };
    std::fill_n(a, c.size(), 0.0L);
    const auto first = std::find_if(c.begin(), c.end(), present);
    if (first == c.end()) return Scaled();
    const auto low = static_cast<std::size_t>(first - c.begin());
    const auto high = static_cast<std::size_t>(std::find_if(c.rbegin(), c.rend(), present).base() - c.begin()) - 1;
    const bool small = q.e <= 0;
    const Scaled root = sqrt(q);
    const long double step = small ? wide(root) : 1.0L / wide(root);
    for (std::size_t n = low; n <= high; ++n) {
        if (c[n] == 0.0) continue;
        const std::size_t distance = small ? n - low : high - n;
        const long double term = distance == 0 ? c[n] : c[n] * std::pow(step, static_cast<long double>(distance));
        long double weight = 1.0L;  // of h_n: √n!; downwards, times √(k(k−1))/(2i)
        for (std::size_t k = 2; k <= n; ++k) weight *= std::sqrt(static_cast<long double>(k));
        for (std::size_t k = n, i = 1;; k -= 2, ++i) {
            a[k] += term * weight;
            if (k < 2) break;
            weight *= std::sqrt(static_cast<long double>(k) * static_cast<long double>(k - 1)) /
                      (2.0L * static_cast<long double>(i));
        }
    }
    return power(root, small ? low : high);
}

// h_n(√q z) = Σ_i q^{(n−2i)/2} (q−1)^i √n!/(2^i i! √(n−2i)!) h_{n−2i}(z): one term a coefficient.
Scaled expand_hermite(std::size_t n, Scaled q, long double* a) {
    std::fill_n(a, n + 1, 0.0L);
    const bool small = q.e <= 0;
    const Scaled root = sqrt(q);
    const long double r = small ? wide(root) : 1.0L / wide(root);
    const long double gap = small ? wide(q) - 1.0L : 1.0L - wide(quotient(Scaled(1.0), q));  // q − 1, over q
    const std::size_t low = n % 2;
    long double weight = 1.0L;
    for (std::size_t k = n, i = 0;; k -= 2, ++i) {
        const long double rest = small && k > low ? std::pow(r, static_cast<long double>(k - low)) : 1.0L;
        a[k] = weight * rest;
        if (k < 2) break;
        weight *= gap * std::sqrt(static_cast<long double>(k) * static_cast<long double>(k - 1)) /
                  (2.0L * static_cast<long double>(i + 1));
    }
    return power(root, small ? low : n);
}

}  // namespace

template <class T>
bool MehlerLayer<T>::admits(Scaled q) const {
    return q.zero() || std::abs(static_cast<double>(q.e)) * static_cast<double>(degree_) < kLargestExponent;
}

template <class T>
void MehlerLayer<T>::tabulate(const Scaled* q, std::size_t n, T* tables, std::size_t stride, Moments* moments) const {
    std::vector<long double> a(degree_ + 1), b(degree_ + 1);
    const auto norm2 = [](const std::vector<long double>& x) {
        long double sum = 0.0L;
        for (const long double entry : x) sum += entry * entry;
        return sum;
    };
    const auto scaled = [](long double x) {
        int e = 0;
        const long double m = std::frexp(x, &e);
        const auto high = static_cast<double>(m);
        return Scaled(high, e, static_cast<double>(m - high));
    };
    for (std::size_t i = 0; i < n; ++i) {
        const Scaled factor = expand(q[i], a.data());
        const Scaled slope_factor = expand_slope(q[i], b.data());
        b[degree_] = 0.0L;
        const long double size = norm2(a);
        const Scaled mean = scaled(b[0]) * slope_factor;
        moments[i] = {scaled(size) * (factor * factor), scaled(norm2(b)) * (slope_factor * slope_factor),
                      finite(mean.value())};
        long double curvature = 0.0L;  // Σ k(k−1) a_k²
        for (std::size_t k = 2; k <= degree_; ++k) curvature += static_cast<long double>(k * (k - 1)) * (a[k] * a[k]);
        moments[i].curvature = size > 0 ? static_cast<double>(curvature / size) : 0.0;
        // No direction, if σ vanishes: any one will do.
        const bool none = moments[i].square.zero();
        const long double root = std::sqrt(size);
        for (std::size_t k = 0; k <= degree_; ++k) {
            tables[k * stride + i] =
                none ? T(k == std::min<std::size_t>(1, degree_) ? 1 : 0) : static_cast<T>(a[k] / root);
        }
    }
}

template <class T>
PolynomialLayer<T>::PolynomialLayer(const std::vector<double>& coefficients)
    : MehlerLayer<T>(coefficients.size() - 1), coefficients_(coefficients) {
    for (std::size_t n = 1; n < coefficients.size(); ++n) slope_.push_back(static_cast<double>(n) * coefficients[n]);
}

template <class T>
Scaled PolynomialLayer<T>::expand(Scaled q, long double* a) const {
    return expand_polynomial(coefficients_, q, a);
}

template <class T>
Scaled PolynomialLayer<T>::expand_slope(Scaled q, long double* a) const {
    return expand_polynomial(slope_, q, a);
}

template <class T>
HermiteLayer<T>::HermiteLayer(const std::vector<double>& parameters)
    : MehlerLayer<T>(static_cast<std::size_t>(parameters.at(0))), n_(static_cast<std::size_t>(parameters.at(0))) {}

template <class T>
Scaled HermiteLayer<T>::expand(Scaled q, long double* a) const {
    return expand_hermite(n_, q, a);
}

// h_n' = √n h_{n−1}
template <class T>
Scaled HermiteLayer<T>::expand_slope(Scaled q, long double* a) const {
    if (n_ == 0) return Scaled();
    return sqrt(Scaled(static_cast<double>(n_))) * expand_hermite(n_ - 1, q, a);
}

template class PolynomialLayer<float>;
template class PolynomialLayer<double>;
template class HermiteLayer<float>;
template class HermiteLayer<double>;

}  // namespace ntkcore
