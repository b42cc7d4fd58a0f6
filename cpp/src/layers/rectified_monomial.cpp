#include "layers/rectified_monomial.hpp"

#include <cmath>
#include <iterator>
#include <numbers>
#include <utility>

#include "layers/special.hpp"

namespace ntkcore {
namespace {

using std::numbers::pi_v;
using Real = long double;

// Nodes and weights of Gauss–Legendre quadrature on [−1, 1].
std::vector<std::pair<Real, Real>> gauss_legendre(std::size_t n) {
    std::vector<std::pair<Real, Real>> rule;
    for (std::size_t i = 0; i < n; ++i) {
        Real x = std::cos(pi_v<Real> * (static_cast<Real>(i) + 0.75L) / (static_cast<Real>(n) + 0.5L));
        Real slope = 1.0L;
        for (int step = 0; step < 8; ++step) {
            Real previous = 1.0L;
            Real current = x;
            for (std::size_t d = 1; d < n; ++d) {
                const auto m = static_cast<Real>(d);
                previous = std::exchange(current, ((2 * m + 1) * x * current - m * previous) / (m + 1));
            }
            slope = static_cast<Real>(n) * (x * current - previous) / (x * x - 1);
            x -= current / slope;
        }
        rule.emplace_back(x, 2 / ((1 - x * x) * slope * slope));
    }
    return rule;
}

// G_k(w) = k!/(π(2k−1)!!) (2−w)^{k+½} ∫_0^{π/2} cos^kψ/(1+(1−w)cos ψ)^{k+1} dψ: nothing cancels.
Real tail(std::size_t k, Real w, const std::vector<std::pair<Real, Real>>& rule) {
    Real scale = 1 / pi_v<Real>;
    for (std::size_t j = 1; j <= k; ++j) scale *= static_cast<Real>(j) / static_cast<Real>(2 * j - 1);
    // For large k the integrand is concentrated within 1/√k of 0.
    const Real cuts[] = {0.0L, 0.1L, 0.25L, 0.5L, 0.9L, pi_v<Real> / 2};
    Real sum = 0;
    for (std::size_t c = 0; c + 1 < std::size(cuts); ++c) {
        const Real half = (cuts[c + 1] - cuts[c]) / 2;
        for (const auto& [x, weight] : rule) {
            const Real cosine = std::cos(cuts[c] + half * (1 + x));
            const Real below = 1 + (1 - w) * cosine;
            sum += half * weight * std::pow((2 - w) * cosine / below, static_cast<Real>(k)) / below;
        }
    }
    return scale * std::sqrt(2 - w) * sum;
}

// The coefficients, in powers of t = 2w − 1, of the interpolation of G_k at n Chebyshev points.
std::vector<Real> tail_series(std::size_t k, std::size_t n) {
    const auto rule = gauss_legendre(24);
    const auto size = static_cast<Real>(n);
    std::vector<Real> value(n), power(n, 0.0L), before(n, 0.0L), current(n, 0.0L);
    for (std::size_t i = 0; i < n; ++i) {
        const Real t = std::cos(pi_v<Real> * (static_cast<Real>(i) + 0.5L) / size);
        value[i] = tail(k, (1 + t) / 2, rule);
    }
    // Chebyshev polynomials T_m in powers of t: T_{m+1} = 2t T_m − T_{m−1}
    current[0] = 1.0L;
    for (std::size_t m = 0; m < n; ++m) {
        Real sum = 0;
        for (std::size_t i = 0; i < n; ++i) {
            sum += value[i] * std::cos(pi_v<Real> * static_cast<Real>(m) * (static_cast<Real>(i) + 0.5L) / size);
        }
        const Real c = (m == 0 ? 1 : 2) * sum / size;
        for (std::size_t j = 0; j <= m; ++j) power[j] += c * current[j];
        std::vector<Real> next(n, 0.0L);
        for (std::size_t j = 0; j + 1 < n; ++j) next[j + 1] = (m == 0 ? 1 : 2) * current[j];
        for (std::size_t j = 0; j < n; ++j) next[j] -= m == 0 ? 0 : before[j];
        before = std::exchange(current, next);
    }
    return power;
}

// β_l = Σ_{j>l} α_j², l < k, α_j² = (k!)²/(j! 4^i i!² (2k−1)!!), i = (k−j)/2
std::vector<Real> remainders(std::size_t k) {
    std::vector<Real> alpha2(k + 1, 0.0L), beta(k, 0.0L);
    Real a = 1;
    for (std::size_t j = 1; j <= k; ++j) a *= static_cast<Real>(j) / static_cast<Real>(2 * j - 1);
    for (std::size_t j = k, i = 1;; j -= 2, ++i) {
        alpha2[j] = a;
        if (j < 2) break;
        a *= static_cast<Real>(j) * static_cast<Real>(j - 1) / (4 * static_cast<Real>(i) * static_cast<Real>(i));
    }
    Real sum = 0;
    for (std::size_t l = k; l-- > 0;) beta[l] = sum += alpha2[l + 1];
    return beta;
}

// (2k−1)!!/2 = E[max(z, 0)^{2k}]
Scaled half_moment(std::size_t k) {
    Scaled product(0.5);
    for (std::size_t j = 1; j <= k; ++j) product = static_cast<double>(2 * j - 1) * product;
    return product;
}

Scaled power(Scaled x, std::size_t n) {
    Scaled result(1.0);
    for (std::size_t j = 0; j < n; ++j) result = result * x;
    return result;
}

}  // namespace

template <class T>
RectifiedMonomialLayer<T>::RectifiedMonomialLayer(const std::vector<double>& parameters)
    : k_(static_cast<std::size_t>(parameters.at(0))) {
    const std::size_t n = sizeof(T) == sizeof(float) ? 11 : 22;
    const auto add = [&](const std::vector<Real>& numbers) {
        for (const Real x : numbers) constants_.push_back(static_cast<T>(x));
    };
    constants_ = {static_cast<T>(k_), static_cast<T>(n)};
    add(tail_series(k_, n));
    add(tail_series(k_ - 1, n));
    add(remainders(k_));
    add(remainders(k_ - 1));
    const auto k = static_cast<double>(k_);
    square_ = half_moment(k_);
    slope_square_ = square(k) * half_moment(k_ - 1);
    // k E[max(z, 0)^{k−1}] = k 2^{(k−3)/2} Γ(k/2)/√π
    mean_slope_ = k * std::exp2(0.5 * (k - 3.0)) * std::tgamma(0.5 * k) / std::sqrt(std::numbers::pi);
}

template <class T>
bool RectifiedMonomialLayer<T>::admits(Scaled q) const {
    return q.zero() || std::abs(static_cast<double>(q.e)) * static_cast<double>(k_) < kLargestExponent;
}

template <class T>
void RectifiedMonomialLayer<T>::tabulate(const Scaled* q, std::size_t n, T*, std::size_t, Moments* moments) const {
    const auto k = static_cast<double>(k_);
    for (std::size_t i = 0; i < n; ++i) {
        const Scaled below = power(q[i], k_ - 1);
        moments[i] = {square_ * (below * q[i]), slope_square_ * below, finite((mean_slope_ * sqrt(below)).value())};
        if (k_ > 1) moments[i].curvature = k * k * (k - 1) * (k - 1) / ((2 * k - 1) * (2 * k - 3));
        if (k_ == 1) moments[i].bend = std::sqrt(2.0);
    }
}

template class RectifiedMonomialLayer<float>;
template class RectifiedMonomialLayer<double>;

}  // namespace ntkcore
