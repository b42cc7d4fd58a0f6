#include "layers/erf.hpp"

#include <cmath>
#include <numbers>

#include "layers/arcsine.hpp"
#include "layers/special.hpp"
#include "tile/tables.hpp"

namespace ntkcore {

using namespace tile;
using std::numbers::inv_pi;
using std::numbers::pi;

namespace {

// F_e = α + u cos α + uτ²/cos α
double even_part(const ArcsineOf& of) { return of.alpha + of.u * of.cos + of.u * of.tau * of.tau / of.cos; }

// E = q (π/2 + F_e)/2π, E[σ̇²] = ¼ + α/2π + q(3 + 5q)/(2π (1+q)(1+2q)^{3/2}), E[σ̇] = ½
Moments gelu_moments(Scaled q) {
    const ArcsineOf of = arcsine_of<double>(q);
    const double f = 0.5 * pi + even_part(of);
    const double d = 1.0 + 2.0 * of.q;
    const double slope = 0.25 + 0.5 * inv_pi * (of.alpha + of.u * (3.0 + 5.0 * of.q) / (d * std::sqrt(d)));
    Moments moments{(0.5 * inv_pi * f) * q, Scaled(slope), 0.5};
    // E[σ̈²] = (4 − 4v + 3v²)/(2π √(1+2q)), v = q/(1+2q)
    const double v = of.q / d;
    moments.curvature = of.q / std::sqrt(d) * (4.0 - 4.0 * v + 3.0 * v * v) / f;
    return moments;
}

}  // namespace

template <class T>
std::size_t ErfLayer<T>::tables() const {
    return kErfTables;
}

template <class T>
void ErfLayer<T>::tabulate(const Scaled* q, std::size_t n, T* tables, std::size_t stride, Moments* moments) const {
    const Scaled one(1.0), a2 = square(a_), b2 = square(b_), c2 = square(c_);
    const Scaled slope = (4.0 * inv_pi) * (a2 * b2), mean_slope = Scaled(2.0 * a_ * b_ / std::sqrt(pi));
    for (std::size_t i = 0; i < n; ++i) {
        const Scaled big_q = 2.0 * (b2 * q[i]);
        const ArcsineOf of = arcsine_of<T>(big_q);
        // E = (2a²/π) α + c²; the α of a tiny Q is Q itself
        const bool clamped = of.q != big_q.value();
        const Scaled alpha =
            big_q.value() < 1e-100 ? big_q : Scaled(clamped ? arcsine_of<double>(big_q).alpha : of.alpha);
        const Scaled odd = (2.0 * inv_pi) * (a2 * alpha);
        const Scaled e = odd + c2;
        // E[σ̇²] = (4a²b²/π)/√(1 + 4b²q), E[σ̇] = (2ab/√π)/√(1 + 2b²q)
        const Scaled twice = 2.0 * big_q;
        moments[i] = {e, quotient(slope, sqrt(one + twice)), ratio(mean_slope, sqrt(one + big_q))};
        // q² E[σ̈²] = (2a²/π) Q³/(1 + 2Q)^{3/2}
        const double d = 1.0 + 2.0 * of.q;
        moments[i].curvature =
            e.zero() ? 0.0 : ratio((2.0 * inv_pi * (of.q / d) * (of.q / std::sqrt(d))) * (a2 * big_q), e);
        if (tables == nullptr) continue;

        write_arcsine(of, tables + i, stride);
        const double a3 = arcsine_cubic(of);
        const double ratio_u = 1.0 + of.u * of.u * a3;  // α/u
        const auto put = [&](std::size_t table, double value) { tables[table * stride + i] = static_cast<T>(value); };
        put(kHalfRoot, 0.5 * std::sqrt(of.alpha));
        put(kInverseRoot, std::sqrt(2.0 / of.alpha));
        put(kLinear, 1.0 / std::sqrt(ratio_u));
        put(kRest, of.u * std::sqrt(a3 / ratio_u));
        put(kInverseCubic, 1.0 / std::sqrt(a3));
        put(kOdd, e.zero() ? 1.0 : std::sqrt(ratio(odd, e)));
        put(kConstant, e.zero() ? 0.0 : std::sqrt(ratio(c2, e)));
    }
    if (tables != nullptr) write_extremes(tables, n, stride);
}

template <class T>
std::size_t GeluLayer<T>::tables() const {
    return kGeluTables;
}

template <class T>
void GeluLayer<T>::tabulate(const Scaled* q, std::size_t n, T* tables, std::size_t stride, Moments* moments) const {
    const double root = std::sqrt(0.5 * pi);
    for (std::size_t i = 0; i < n; ++i) {
        moments[i] = gelu_moments(q[i]);
        if (tables == nullptr) continue;
        const ArcsineOf of = arcsine_of<T>(q[i]);
        write_arcsine(of, tables + i, stride);
        const double even = even_part(of);
        const double f = 0.5 * pi + even;
        const auto put = [&](std::size_t table, double value) { tables[table * stride + i] = static_cast<T>(value); };
        put(kTau, of.tau);
        put(kHalfAlpha, 0.5 * of.alpha);
        put(kEven, even);
        put(kRootF, even / (std::sqrt(f) + root) * std::sqrt(0.5));
        put(kInverseRootF, 1.0 / std::sqrt(f));
        put(kSlope, std::sqrt(0.5 * of.u / of.cos) * of.tau);
        put(kRootCos, std::sqrt(of.cos));
        put(kInverseRootCos, 1.0 / std::sqrt(of.cos));
    }
    if (tables != nullptr) write_extremes(tables, n, stride);
}

template class ErfLayer<float>;
template class ErfLayer<double>;
template class GeluLayer<float>;
template class GeluLayer<double>;

}  // namespace ntkcore
