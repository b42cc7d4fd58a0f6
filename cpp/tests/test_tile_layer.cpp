// The layers of the recursion, on every instruction set, against their formulas for one pair.
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "cases.hpp"
#include "isas.hpp"
#include "ntkcore/activation.hpp"
#include "ntkcore/aligned.hpp"
#include "reference.hpp"
#include "tile/kernels.hpp"

namespace ntkcore {
namespace {

using reference::Real;
using testing::on_each_isa;
using tile::kPanel;

template <class T>
constexpr double kEpsilon = std::numeric_limits<T>::epsilon();
template <class T>
constexpr T kUntouched = T(-99);

Real absolute(Real x) { return x < 0 ? -x : x; }

// ρ of a signed versine; its sign bit means ρ < 0, also on zero.
Real correlation(double u) { return std::signbit(u) ? Real(std::fabs(u)) - 1 : 1 - Real(u); }
Real angle(double u) { return reference::acos(correlation(u)); }

// Signed versines from 0 over denormal ones to 1.
template <class T>
Aligned<T> versines(bool with_negative) {
    Aligned<T> u(kPanel);
    for (std::size_t j = 0; j < kPanel; ++j) {
        u[j] = static_cast<T>(std::pow(10.0, -static_cast<double>(j) / 16));  // 1 … 1e-16
        if (j % 8 == 7) u[j] = static_cast<T>(static_cast<double>(j) / 256);
    }
    const std::vector<double> special = {
        0.0, std::numeric_limits<T>::denorm_min(), std::numeric_limits<T>::min(), 1e-30, 1.0, 1.0 - kEpsilon<T> / 2,
        0.5};
    for (std::size_t j = 0; j < special.size(); ++j) {
        u[2 * j + 100] = static_cast<T>(special[j]);
        u[2 * j + 101] = static_cast<T>(special[j]);
    }
    for (std::size_t j = 1; with_negative && j < kPanel; j += 2) u[j] = -u[j];
    return u;
}

struct Case {
    double lambda;
    bool bias, nonnegative, precise;
};

// What the layer must make of one pair: formulas of tile/ab_relu.hpp, by arc cosine.
struct Expected {
    Real rho_angle;  // of ρ⁺
    Real versine;    // 1 − ρ⁺
    Real theta, dot;
};

template <class T>
Expected expected(const Case& of, double u, double theta, const tile::LayerCall<T>& call, std::size_t j) {
    const Real lambda = Real(call.constants[0]);
    const Real rho = correlation(u);
    const Real phi = reference::acos(rho);
    const Real arc1 = (reference::sin(phi) + (reference::kPi - phi) * rho) / reference::kPi;
    const Real arc0 = 1 - phi / reference::kPi;
    const Real kappa1 = lambda * arc1 + (1 - lambda) * rho;
    const Real kappa0 = lambda * arc0 + (1 - lambda);
    Real r = 1;
    Real spread = 0;
    if (of.bias) {
        const Real dr = Real(call.r_row) - Real(call.r[j]);
        const Real ds = Real(call.s_row) - Real(call.s[j]);
        spread = dr * dr + ds * ds;
        r = of.precise ? (1 - Real(call.p_row)) * (1 - Real(call.p[j])) : 2 * Real(call.r_row) * Real(call.r[j]);
    }
    const Real versine = spread + r * (1 - kappa1);
    const Real next = 1 - versine;
    return {reference::acos(next < -1 ? Real(-1) : next), versine, r * kappa0 * Real(theta) + next, kappa0};
}

template <class T>
void check_layer(const tile::Kernels<T>& kernels, const Case& of, bool with_theta, bool with_low, bool with_dot) {
    CAPTURE(of.lambda);
    CAPTURE(of.bias);
    CAPTURE(of.nonnegative);
    CAPTURE(of.precise);
    CAPTURE(with_theta);
    CAPTURE(with_low);
    CAPTURE(with_dot);
    testing::Random random(61);
    const Aligned<T> before = versines<T>(!of.nonnegative);
    Aligned<T> u = versines<T>(!of.nonnegative);
    Aligned<T> theta(kPanel), theta_before(kPanel), low(kPanel), dot(kPanel, kUntouched<T>), r(kPanel), s(kPanel),
        p(kPanel);
    for (std::size_t j = 0; j < kPanel; ++j) {
        theta[j] = theta_before[j] = static_cast<T>(3 * random.normal());
        // shares of weights and bias in a variance, r² + s² = 1; for some columns the same as for the row
        const double share = j % 4 == 0 ? 0.3 : random.uniform();
        r[j] = static_cast<T>(std::sqrt(0.5 * share));
        s[j] = static_cast<T>(std::sqrt(0.5 * (1 - share)));
        p[j] = static_cast<T>((1 - share) / (1 + std::sqrt(share)));
    }
    const T lambda = static_cast<T>(of.lambda);
    const std::size_t begin = 16;
    const std::size_t end = kPanel - 32;
    tile::LayerCall<T> call{};
    call.begin = begin;
    call.end = end;
    call.u = u.data();
    call.theta = with_theta ? theta.data() : nullptr;
    call.theta_low = with_low ? low.data() : nullptr;
    call.dot = with_dot ? dot.data() : nullptr;
    call.r = of.bias ? r.data() : nullptr;
    call.s = of.bias ? s.data() : nullptr;
    call.p = of.bias ? p.data() : nullptr;
    call.r_row = of.bias ? r[0] : T(0);
    call.s_row = of.bias ? s[0] : T(0);
    call.p_row = of.bias ? p[0] : T(0);
    call.precise = of.precise;
    call.constants = &lambda;
    call.nonnegative = of.nonnegative;
    kernels.layer[static_cast<std::size_t>(Family::ab_relu)](call);

    testing::Largest angles, versines, thetas, dots;
    for (std::size_t j = 0; j < kPanel; ++j) {
        if (j < begin || j >= end) {
            REQUIRE(u[j] == before[j]);
            REQUIRE(theta[j] == theta_before[j]);
            REQUIRE(dot[j] == kUntouched<T>);
            continue;
        }
        const auto old = static_cast<double>(theta_before[j]);
        const Expected want = expected(of, static_cast<double>(before[j]), old, call, j);
        angles.add(static_cast<double>(absolute(angle(static_cast<double>(u[j])) - want.rho_angle)));
        if (of.precise && want.versine > 1e-25 && want.versine < 1) {
            versines.add(static_cast<double>(absolute(Real(u[j]) / want.versine - 1)));
        }
        const Real sum = Real(theta[j]) + Real(low[j]);
        if (with_theta) thetas.add(static_cast<double>(absolute(sum - want.theta)) / (1 + std::fabs(old)));
        if (with_dot) dots.add(static_cast<double>(absolute(Real(dot[j]) - want.dot)));
    }
    CHECK(angles.value() < 3 * kEpsilon<T>);
    CHECK(versines.value() < 4 * kEpsilon<T>);
    CHECK(thetas.value() < 2 * kEpsilon<T>);
    CHECK(dots.value() < 2 * kEpsilon<T>);
}

TEST_CASE_TEMPLATE("Every variant of the layer a·min(x, 0) + b·max(x, 0)", T, float, double) {
    on_each_isa<T>([](const tile::Kernels<T>& kernels) {
        for (const double lambda : {1.0, 0.0, 0.3, 2.0}) {  // relu, identity, leaky, abs
            for (const bool bias : {false, true}) {
                for (const bool nonnegative : {false, true}) {
                    for (const bool precise : {false, true}) {
                        const Case of{lambda, bias, nonnegative, precise};
                        check_layer(kernels, of, true, false, true);
                        check_layer(kernels, of, true, precise, true);
                        check_layer(kernels, of, false, false, true);
                        check_layer(kernels, of, true, false, false);
                        check_layer(kernels, of, false, false, false);
                    }
                }
            }
        }
    });
}

}  // namespace
}  // namespace ntkcore
