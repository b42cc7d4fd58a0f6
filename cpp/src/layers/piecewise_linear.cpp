#include "layers/piecewise_linear.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>

#include "layers/special.hpp"

namespace ntkcore {

namespace {

constexpr double kSmallestRoot = 1e-140;  // √q beyond these counts as these
constexpr double kLargestRootQ = 1e140;

double density(double z) { return std::exp(-0.5 * z * z) / std::sqrt(2.0 * std::numbers::pi); }
double bulk(double z) { return 0.5 * std::erf(z * std::numbers::sqrt2 / 2.0); }              // Φ(z) − ½
double tail(double z) { return 0.5 * std::erfc(std::fabs(z) * std::numbers::sqrt2 / 2.0); }  // Φ(−|z|)
// Φ(b) − Φ(a) for a < b
double mass(double a, double b) {
    if (a > tile::kPiecewiseBulk) return tail(a) - tail(b);
    if (b < -tile::kPiecewiseBulk) return tail(b) - tail(a);
    return bulk(b) - bulk(a);
}

}  // namespace

template <class T>
PiecewiseLinearLayer<T>::PiecewiseLinearLayer(const std::vector<double>& parameters) {
    if (parameters.size() % 3 != 2) throw std::invalid_argument("B kinks need B + 1 slopes and B + 1 intercepts");
    const std::size_t kinks = parameters.size() / 3;
    if (kinks < 1 || kinks > tile::kMostKinks) throw std::invalid_argument("1 to 8 kinks");
    const auto at = [&](std::size_t k) { return parameters.begin() + static_cast<std::ptrdiff_t>(k); };
    kink_.assign(at(0), at(kinks));
    slope_.assign(at(kinks), at(2 * kinks + 1));
    value_.assign(at(2 * kinks + 1), at(3 * kinks + 2));
    bool odd = true;
    bool even = true;
    for (std::size_t k = 0; k < kinks; ++k) odd = even = even && kink_[k] == -kink_[kinks - 1 - k];
    for (std::size_t k = 0; k <= kinks; ++k) {
        odd = odd && slope_[k] == slope_[kinks - k] && value_[k] == -value_[kinks - k];
        even = even && slope_[k] == -slope_[kinks - k] && value_[k] == value_[kinks - k];
    }
    symmetry_ = odd ? Symmetry::odd : even ? Symmetry::even : Symmetry::none;
    layout_ = {kinks, symmetry_ == Symmetry::none ? tile::kPiecewiseTerms : tile::kPiecewiseTerms / 2};
}

template <class T>
std::size_t PiecewiseLinearLayer<T>::degree_of(std::size_t term) const {
    return symmetry_ == Symmetry::none ? term : 2 * term + (symmetry_ == Symmetry::odd ? 1 : 0);
}

// For |ρ| up to 1/128, 2/128, …: how many terms leave Σ k c_k |ρ|^{k−1} below the rounding error. Σ k c_k ≤ χ bounds
// the coefficients.
template <class T>
std::vector<T> PiecewiseLinearLayer<T>::constants() const {
    std::vector<T> result = {static_cast<T>(static_cast<int>(symmetry_)), static_cast<T>(layout_.kinks),
                             static_cast<T>(layout_.terms)};
    for (std::size_t b = 1; b <= tile::kPiecewiseBuckets; ++b) {
        const double rho = static_cast<double>(b) / static_cast<double>(tile::kPiecewiseBuckets);
        std::size_t n = 2;
        while (n < layout_.terms &&
               std::pow(rho, static_cast<double>(degree_of(n)) - 1.0) > std::numeric_limits<T>::epsilon() / 16) {
            ++n;
        }
        result.push_back(static_cast<T>(n));
    }
    return result;
}

template <class T>
void PiecewiseLinearLayer<T>::tabulate(const Scaled* q, std::size_t n, T* tables, std::size_t stride,
                                       Moments* moments) const {
    const std::size_t kinks = layout_.kinks;
    const double far = sizeof(T) == sizeof(float) ? 12.0 : 38.0;  // no mass beyond
    const std::size_t terms = layout_.terms;
    const std::size_t degrees = degree_of(terms - 1) + 1;
    std::vector<double> edge(kinks + 2), height(kinks + 2), share(kinks + 1), value(kinks + 1), slope(kinks + 1),
        a(degrees);
    for (std::size_t i = 0; i < n; ++i) {
        const double root = q[i].zero() ? kSmallestRoot : std::clamp(sqrt(q[i]).value(), kSmallestRoot, kLargestRootQ);
        edge.front() = -far;
        edge.back() = far;
        height.front() = height.back() = 0.0;
        for (std::size_t b = 1; b <= kinks; ++b) {
            edge[b] = std::clamp(kink_[b - 1] / root, -far, far);
            const bool outside = std::fabs(edge[b]) >= far;
            height[b] = outside ? 0.0 : density(edge[b]);
        }
        double scale = 0.0;
        for (std::size_t k = 0; k <= kinks; ++k) {
            share[k] = mass(edge[k], edge[k + 1]);
            if (edge[k] < edge[k + 1])
                scale = std::fmax(scale, std::fmax(std::fabs(value_[k]), std::fabs(slope_[k]) * root));
        }
        if (!(scale > 0)) scale = 1.0;
        double square_sum = 0.0;
        double slope_square = 0.0;
        double mean = 0.0;
        double mean_slope = 0.0;
        double at_zero = 0.0;
        for (std::size_t k = 0; k <= kinks; ++k) {
            const bool empty = !(edge[k] < edge[k + 1]);
            value[k] = empty ? 0.0 : value_[k] / scale;
            slope[k] = empty ? 0.0 : slope_[k] * root / scale;
            const double first = height[k] - height[k + 1];
            const double second = share[k] - (edge[k + 1] * height[k + 1] - edge[k] * height[k]);
            square_sum +=
                value[k] * value[k] * share[k] + 2.0 * value[k] * slope[k] * first + slope[k] * slope[k] * second;
            slope_square += slope_[k] * slope_[k] * share[k];
            mean += value[k] * share[k] + slope[k] * first;
            mean_slope += slope_[k] * share[k];
            if (k == 0 || kink_[k - 1] <= 0.0) at_zero = value_[k];
        }
        moments[i].square = q[i].zero() ? square(at_zero) : Scaled(square_sum) * (Scaled(scale) * Scaled(scale));
        moments[i].slope_square = Scaled(slope_square);
        moments[i].mean_slope = mean_slope;
        double bend = 0.0;
        for (std::size_t b = 1; b <= kinks; ++b) {
            bend += std::fabs(slope_[b] - slope_[b - 1]) * std::exp(-0.25 * edge[b] * edge[b]);
        }
        moments[i].bend = slope_square > 0 ? bend / std::sqrt(slope_square) : 0.0;

        // a_0 = E[σ], a_1 = √q E[σ̇], a_k = √q Σ_b (s_b − s_{b−1}) φ(h) h_{k−2}(h)/√(k(k−1))
        const double norm = 1.0 / std::sqrt(square_sum);
        std::fill(a.begin(), a.end(), 0.0);
        a[0] = mean * norm;
        for (std::size_t k = 0; k <= kinks; ++k) a[1] += slope[k] * norm * share[k];
        for (std::size_t b = 1; b <= kinks; ++b) {
            const double jump = (slope[b] - slope[b - 1]) * norm;
            const double h = edge[b];
            const double half = std::exp(-0.25 * h * h);  // φ h_k by Hermite functions: neither factor overflows
            double before = 0.0;
            double now = half;
            for (std::size_t k = 2; k < degrees; ++k) {
                const auto m = static_cast<double>(k - 2);
                a[k] += jump * half / std::sqrt(2.0 * std::numbers::pi) * now / std::sqrt((m + 1.0) * (m + 2.0));
                const double next = (h * now - std::sqrt(m) * before) / std::sqrt(m + 1.0);
                before = now;
                now = next;
            }
        }
        const auto put = [&](std::size_t table, double x) { tables[table * stride + i] = static_cast<T>(x); };
        for (std::size_t t = 0; t < terms; ++t) put(t, a[degree_of(t)]);
        for (std::size_t b = 0; b < kinks; ++b) {
            put(layout_.edge(b), edge[b + 1]);
            put(layout_.edge(b) + 1, bulk(edge[b + 1]));
            put(layout_.edge(b) + 2, tail(edge[b + 1]));
            put(layout_.edge(b) + 3, height[b + 1]);
        }
        for (std::size_t k = 0; k <= kinks; ++k) {
            put(layout_.value(k), value[k] * norm);
            put(layout_.slope(k), slope[k] * norm);
        }
    }
}

template class PiecewiseLinearLayer<float>;
template class PiecewiseLinearLayer<double>;

}  // namespace ntkcore
