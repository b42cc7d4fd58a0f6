// E[σ(u)σ(v)] and E[σ̇(u)σ̇(v)] for (u, v) ~ N(0, [[q, c], [c, p]]): closed forms as they stand in the literature,
// carried out with 113 bits where the compiler has such a type, because they lose half of their digits near ρ = ±1.
#pragma once

#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <utility>
#include <vector>

#include "ntkcore/activation.hpp"

namespace ntkcore::reference {

#if defined(__HAVE_FLOAT128) && __HAVE_FLOAT128  // GCC and the GNU C library
using Real = _Float128;
#elif defined(__GLIBC__) && defined(__SIZEOF_FLOAT128__)  // Clang, from which the library's headers hide these
using Real = __float128;
extern "C" {
Real sqrtf128(Real);
Real expf128(Real);
Real sinf128(Real);
Real acosf128(Real);
Real asinf128(Real);
Real atanf128(Real);
}
#else
using Real = long double;
inline Real sqrtf128(Real x) { return std::sqrt(x); }
inline Real expf128(Real x) { return std::exp(x); }
inline Real sinf128(Real x) { return std::sin(x); }
inline Real acosf128(Real x) { return std::acos(x); }
inline Real asinf128(Real x) { return std::asin(x); }
inline Real atanf128(Real x) { return std::atan(x); }
#endif

inline Real sqrt(Real x) { return sqrtf128(x); }
inline Real exp(Real x) { return expf128(x); }
inline Real sin(Real x) { return sinf128(x); }
inline Real acos(Real x) { return acosf128(x); }
inline Real asin(Real x) { return asinf128(x); }
inline Real atan(Real x) { return atanf128(x); }

inline const Real kPi = acos(Real(-1));

inline Real power(Real x, std::size_t n) {
    Real product = 1;
    for (std::size_t k = 0; k < n; ++k) product *= x;
    return product;
}

struct Dual {
    Real value, derivative;
};

// The angle of a pair. Without variance there is none: two such samples count as parallel, one as orthogonal to the
// rest.
inline Real angle(Real q, Real c, Real p) {
    if (q == 0 && p == 0) return 0;
    if (q == 0 || p == 0) return kPi / 2;
    const Real rho = c / sqrt(q * p);
    return acos(rho > 1 ? Real(1) : (rho < -1 ? Real(-1) : rho));
}

// a·min(x, 0) + b·max(x, 0), by the arc-cosine kernels of order 1 and 0 (Cho & Saul 2009)
inline Dual ab_relu(Real a, Real b, Real q, Real c, Real p) {
    const Real phi = angle(q, c, p);
    const Real rho = q == 0 || p == 0 ? Real(q == p ? 1 : 0) : c / sqrt(q * p);
    const Real kappa1 = (sin(phi) + (kPi - phi) * rho) / kPi;
    const Real kappa0 = 1 - phi / kPi;
    return {sqrt(q * p) * ((a - b) * (a - b) * kappa1 + 2 * a * b * rho) / 2,
            ((a - b) * (a - b) * kappa0 + 2 * a * b) / 2};
}

// a for x < 0, b for x > 0: the signs of u and v differ with probability φ/π
inline Dual step(Real a, Real b, Real q, Real c, Real p) {
    const Real differ = angle(q, c, p) / kPi;
    return {(a * a + b * b) / 2 * (1 - differ) + a * b * differ, 0};
}

// E[max(z, 0)^n] for z ~ N(0, 1)
inline Real half_moment(std::size_t n) {
    if (n < 2) return n == 0 ? Real(1) / 2 : 1 / sqrt(2 * kPi);
    return static_cast<Real>(n - 1) * half_moment(n - 2);
}

// E[max(u,0)^m max(v,0)^n] at unit variances, max(u,0)^0 being the step, by Stein's identity
// E[u f(u) g(v)] = E[f' g] + ρ E[f g']
inline Real rectified_moment(std::size_t m, std::size_t n, Real phi, Real rho) {
    if (m < n) std::swap(m, n);
    if (m == 0) return (kPi - phi) / (2 * kPi);  // both positive
    // the derivative of the step is δ: the density 1/√(2π), times the mean over the other variable, of variance 1 − ρ²
    const auto delta = [&](std::size_t k) { return power(sin(phi), k) * half_moment(k) / sqrt(2 * kPi); };
    const Real left = m > 1 ? static_cast<Real>(m - 1) * rectified_moment(m - 2, n, phi, rho) : delta(n);
    const Real right = n > 0 ? static_cast<Real>(n) * rectified_moment(m - 1, n - 1, phi, rho) : delta(m - 1);
    return left + rho * right;
}

// max(x, 0)^k
inline Dual rectified_monomial(std::size_t k, Real q, Real c, Real p) {
    const Real phi = angle(q, c, p);
    const Real rho = q == 0 || p == 0 ? Real(q == p ? 1 : 0) : c / sqrt(q * p);
    const auto order = [&](std::size_t n) { return power(sqrt(q * p), n) * rectified_moment(n, n, phi, rho); };
    return {order(k), static_cast<Real>(k * k) * order(k - 1)};
}

// a·erf(bx) + d (Williams 1997)
inline Dual erf(Real a, Real b, Real d, Real q, Real c, Real p) {
    const Real b2 = b * b;
    const Real product = (1 + 2 * b2 * q) * (1 + 2 * b2 * p);
    return {a * a * 2 / kPi * asin(2 * b2 * c / sqrt(product)) + d * d,
            a * a * b2 * 4 / kPi / sqrt(product - 4 * b2 * b2 * c * c)};
}

// xΦ(x) (Tsuchida et al. 2020)
inline Dual gelu(Real q, Real c, Real p) {
    const Real product = (1 + q) * (1 + p);
    const Real delta2 = product - c * c;
    const Real delta = sqrt(delta2);
    const Real share = atan(c / delta) / (2 * kPi) + Real(1) / 4;
    return {c * share + (c * c + q * p * delta2) / (2 * kPi * product * delta),
            share + c / (2 * kPi * delta) * (1 / delta2 + (1 - q * p) / product + 1)};
}

// a·exp(bx)
inline Dual exponential(Real a, Real b, Real q, Real c, Real p) {
    const Real value = a * a * exp(b * b * ((q + p) / 2 + c));
    return {value, b * b * value};
}

// √2 sin(√(2γ) x + π/4)
inline Dual rbf(Real gamma, Real q, Real c, Real p) {
    const Real value = exp(-gamma * (q + p - 2 * c));
    return {value, 2 * gamma * value};
}

// a (o·sin bx + e·cos bx)
inline Dual sinusoid(Real a, Real b, Real o, Real e, Real q, Real c, Real p) {
    const Real minus = exp(-b * b * (q + p - 2 * c) / 2) / 2;  // E[cos b(u − v)]/2
    const Real plus = exp(-b * b * (q + p + 2 * c) / 2) / 2;   // E[cos b(u + v)]/2
    return {a * a * (o * o * (minus - plus) + e * e * (minus + plus)),
            a * a * b * b * (o * o * (minus + plus) + e * e * (minus - plus))};
}

// a·exp(bx²)
inline Dual gaussian(Real a, Real b, Real q, Real c, Real p) {
    const Real determinant = (1 - 2 * b * q) * (1 - 2 * b * p) - 4 * b * b * c * c;
    const Real value = a * a / sqrt(determinant);
    return {value, 4 * b * b * c * value / determinant};
}

// E[u^m v^n]: pair off the factors (Isserlis 1918)
inline Real moment(std::size_t m, std::size_t n, Real q, Real c, Real p) {
    if ((m + n) % 2 != 0) return 0;
    if (m == 0 && n == 0) return 1;
    if (m == 0) return static_cast<Real>(n - 1) * p * moment(0, n - 2, q, c, p);
    // the first u meets another u, or one of the v
    const Real same = m < 2 ? Real(0) : static_cast<Real>(m - 1) * q * moment(m - 2, n, q, c, p);
    return same + (n == 0 ? Real(0) : static_cast<Real>(n) * c * moment(m - 1, n - 1, q, c, p));
}

// Σ a_n x^n
inline Dual polynomial(const std::vector<Real>& a, Real q, Real c, Real p) {
    Dual sum{0, 0};
    for (std::size_t m = 0; m < a.size(); ++m) {
        for (std::size_t n = 0; n < a.size(); ++n) {
            sum.value += a[m] * a[n] * moment(m, n, q, c, p);
            if (m > 0 && n > 0) {
                sum.derivative += static_cast<Real>(m * n) * a[m] * a[n] * moment(m - 1, n - 1, q, c, p);
            }
        }
    }
    return sum;
}

// The powers of x in He_n(x)/√n!, by He_{n+1} = x He_n − n He_{n−1}.
inline std::vector<Real> hermite(std::size_t n) {
    std::vector<Real> before, now = {1};
    Real norm = 1;
    for (std::size_t k = 0; k < n; ++k) {
        std::vector<Real> next(now.size() + 1, Real(0));
        for (std::size_t i = 0; i < now.size(); ++i) next[i + 1] += now[i];
        for (std::size_t i = 0; i < before.size(); ++i) next[i] -= static_cast<Real>(k) * before[i];
        before = std::exchange(now, next);
        norm *= sqrt(static_cast<Real>(k + 1));
    }
    for (Real& coefficient : now) coefficient /= norm;
    return now;
}

inline Dual dual(const Activation& activation, Real q, Real c, Real p) {
    const std::vector<double>& of = activation.parameters;
    switch (activation.family) {
        case Family::ab_relu:
            return ab_relu(of.at(0), of.at(1), q, c, p);
        case Family::exponential:
            return exponential(of.at(0), of.at(1), q, c, p);
        case Family::rbf:
            return rbf(of.at(0), q, c, p);
        case Family::erf:
            return erf(of.at(0), of.at(1), of.at(2), q, c, p);
        case Family::gelu:
            return gelu(q, c, p);
        case Family::mehler:
            return polynomial({of.begin(), of.end()}, q, c, p);
        case Family::hermite:
            return polynomial(hermite(static_cast<std::size_t>(of.at(0))), q, c, p);
        case Family::sinusoid:
            return sinusoid(of.at(0), of.at(1), of.at(2), of.at(3), q, c, p);
        case Family::rectified_monomial:
            return rectified_monomial(static_cast<std::size_t>(of.at(0)), q, c, p);
        case Family::step:
            return step(of.at(0), of.at(1), q, c, p);
        case Family::gaussian:
            return gaussian(of.at(0), of.at(1), q, c, p);
        case Family::piecewise_linear:
            // a kink at 0 alone; others are held against mpmath (tests/test_piecewise_linear.py)
            if (of.size() == 5 && of[0] == 0 && of[3] == 0 && of[4] == 0) return ab_relu(of[1], of[2], q, c, p);
            break;
        case Family::expanded:
            break;
    }
    throw std::invalid_argument("the reference does not know this family of activations");
}

}  // namespace ntkcore::reference
