// Kernels of one angle (see angle_table.hpp) as Chebyshev series, to look at. θ takes away the square-root
// singularities that ρ, D̂ and Θ/√(qq') have in ρ¹ = cos θ at ±1: they are analytic on [0, π]. The series are in
//   x = 2(1 + c)τ/(τ + c) − 1,  τ = θ/π.
// c = ∞ means x = 2τ − 1. Kernels of deep networks are steep near θ = 0; those of critical ones are nearly functions of
// 1/(1/θ + L/3π), which a c of that size makes smooth (each relu layer adds 1/3π to 1/θ).
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <numbers>
#include <optional>
#include <utility>
#include <vector>

namespace ntkcore {

struct Curve {
    std::vector<double> rho, dot, theta;                    // coefficients of T_k(x); empty where not wanted
    double bend = std::numeric_limits<double>::infinity();  // c
    std::array<double, 3> error{};  // of each, relative to its maximum: the largest deviation at the check points
    [[nodiscard]] std::size_t terms() const { return rho.size() + dot.size() + theta.size(); }
};

// f(angles, rho, dot, theta) writes the three functions at the given angles; a null one is not wanted.
using AtAngles = std::function<void(const std::vector<double>&, double*, double*, double*)>;

namespace detail {

// Chebyshev coefficients of the interpolant of y at the points cos(π(j+½)/n), cut where only
// rounding errors follow.
inline std::vector<double> chebyshev(const std::vector<double>& y, double tolerance) {
    const std::size_t n = y.size();
    std::vector<double> cosines(4 * n);
    for (std::size_t i = 0; i < 4 * n; ++i) {
        cosines[i] = std::cos(std::numbers::pi * static_cast<double>(i) / static_cast<double>(2 * n));
    }
    std::vector<double> c(n);
    double largest = 0.0;
    for (std::size_t k = 0; k < n; ++k) {
        double sum = 0.0;
        for (std::size_t j = 0; j < n; ++j) sum += y[j] * cosines[k * (2 * j + 1) % (4 * n)];
        c[k] = (k == 0 ? 1.0 : 2.0) * sum / static_cast<double>(n);
    }
    for (const double value : y) largest = std::fmax(largest, std::fabs(value));
    std::size_t terms = n;
    while (terms > 1 && std::fabs(c[terms - 1]) <= 0.2 * tolerance * largest) --terms;
    c.resize(terms);
    return c;
}

// x of an angle, and the angle of an x.
inline double bent(double angle, double bend) {
    const double tau = angle / std::numbers::pi;
    return std::isinf(bend) ? 2 * tau - 1 : 2 * ((1 + bend) * tau / (tau + bend)) - 1;
}
inline double unbent(double x, double bend) {
    const double s = 0.5 * (1 + x);
    return std::numbers::pi * (std::isinf(bend) ? s : bend * s / (1 + bend - s));
}

inline double clenshaw(const std::vector<double>& c, double x) {
    double sum = 0.0, later = 0.0;
    for (std::size_t k = c.size(); k-- > 1;) {
        const double next = 2 * x * sum + (c[k] - later);
        later = sum;
        sum = next;
    }
    return x * sum + (c[0] - later);
}

}  // namespace detail

// The shortest series of the functions that reach their tolerances, relative to the maximum of each (0: not wanted);
// none if `most` terms are not enough.
[[nodiscard]] inline std::optional<Curve> tabulate(const AtAngles& f, const std::array<double, 3>& tolerance,
                                                   std::size_t most) {
    std::vector<double> checks(101);  // between the nodes, and at both ends
    for (std::size_t i = 0; i < checks.size(); ++i) {
        const double t = static_cast<double>(i) / 100.0;
        checks[i] = std::numbers::pi * t * t;  // denser where the samples are close
    }
    // The functions at some angles.
    const auto values_at = [&](const std::vector<double>& angles, std::vector<double>(&values)[3]) {
        for (std::size_t s = 0; s < 3; ++s) values[s].resize(tolerance[s] > 0 ? angles.size() : 0);
        const auto to = [&](std::size_t s) { return tolerance[s] > 0 ? values[s].data() : nullptr; };
        f(angles, to(0), to(1), to(2));
    };
    std::vector<double> exact[3], values[3];
    values_at(checks, exact);
    // The interpolants at n nodes; none if they do not reach the tolerances.
    const auto interpolate = [&](std::size_t n, double bend) -> std::optional<Curve> {
        std::vector<double> angles(n);
        for (std::size_t j = 0; j < n; ++j) {
            const double x = std::cos(std::numbers::pi * (static_cast<double>(j) + 0.5) / static_cast<double>(n));
            angles[j] = detail::unbent(x, bend);
        }
        values_at(angles, values);
        Curve curve;
        curve.bend = bend;
        std::vector<double>* series[3] = {&curve.rho, &curve.dot, &curve.theta};
        for (std::size_t s = 0; s < 3; ++s) {
            if (tolerance[s] == 0) continue;
            *series[s] = detail::chebyshev(values[s], tolerance[s]);
            if (4 * series[s]->size() > 3 * n) return std::nullopt;  // the cut part says nothing about what is missing
            double size = 0.0, gap = 0.0;
            for (std::size_t i = 0; i < checks.size(); ++i) {
                const double at = detail::bent(checks[i], bend);
                size = std::fmax(size, std::fabs(exact[s][i]));
                gap = std::fmax(gap, std::fabs(detail::clenshaw(*series[s], at) - exact[s][i]));
            }
            if (!(gap <= 3 * tolerance[s] * size)) return std::nullopt;
            if (size > 0) curve.error[s] = gap / size;
        }
        return curve;
    };
    constexpr double kStraight = std::numeric_limits<double>::infinity();
    for (std::size_t n = 32; n <= most; n *= 2) {
        std::optional<Curve> shortest = interpolate(n, kStraight);
        const auto compare = [&](double bend) {
            std::optional<Curve> other = interpolate(n, bend);
            if (other && (!shortest || other->terms() < shortest->terms())) shortest = std::move(other);
        };
        if (n > 32) {
            for (const double bend : {1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001}) compare(bend);
            if (shortest && !std::isinf(shortest->bend)) {
                const double best = shortest->bend;
                for (const double factor : {0.55, 1.8}) compare(best * factor);
            }
        }
        if (shortest) return shortest;
    }
    return std::nullopt;
}

}  // namespace ntkcore
