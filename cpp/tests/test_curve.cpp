// Functions of the angle as Chebyshev series: accuracy between the nodes, refusal, and the bent variable.
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <optional>
#include <vector>

#include "curve.hpp"

namespace ntkcore {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr double kTolerance = 2e-15;

// The largest error of a series at angles that are no nodes and no check points, crowded at 0.
template <class F>
double worst(const std::vector<double>& series, double bend, F exact) {
    double error = 0.0;
    for (int i = 0; i <= 1000; ++i) {
        const double angle = kPi * std::pow(static_cast<double>(i) / 1000.0, 3);
        error = std::fmax(error, std::fabs(detail::clenshaw(series, detail::bent(angle, bend)) - exact(angle)));
    }
    return error;
}

template <class F>
std::optional<Curve> table(F f, double tolerance = kTolerance, std::size_t most = 1024) {
    return tabulate(
        [&](const std::vector<double>& angles, double* rho, double* dot, double* theta) {
            CHECK(dot == nullptr);  // not wanted
            CHECK(theta == nullptr);
            for (std::size_t i = 0; i < angles.size(); ++i) rho[i] = f(angles[i]);
        },
        {tolerance, 0, 0}, most);
}

double kappa1(double t) { return (std::sin(t) + (kPi - t) * std::cos(t)) / kPi; }

TEST_CASE("Clenshaw's recurrence sums Chebyshev polynomials") {
    for (const double x : {-1.0, -0.7, 0.0, 0.3, 1.0}) {
        std::vector<double> series;
        double sum = 0.0;
        for (int k = 0; k < 12; ++k) {
            series.push_back(1.0 / (k + 1));
            sum += std::cos(k * std::acos(x)) / (k + 1);
            CHECK(detail::clenshaw(series, x) == doctest::Approx(sum).epsilon(1e-14));
        }
    }
}

TEST_CASE("the variable runs from -1 to 1, and back") {
    for (const double bend : {std::numeric_limits<double>::infinity(), 1.0, 0.1, 0.001}) {
        CHECK(detail::bent(0.0, bend) == -1.0);
        CHECK(detail::bent(kPi, bend) == doctest::Approx(1.0).epsilon(1e-15));
        CHECK(detail::unbent(-1.0, bend) == 0.0);
        for (const double angle : {0.01, 0.5, 2.0, 3.1}) {
            CHECK(detail::unbent(detail::bent(angle, bend), bend) == doctest::Approx(angle).epsilon(1e-11));
        }
    }
}

TEST_CASE("smooth functions take few terms") {
    const auto constant = table([](double) { return 0.75; });
    REQUIRE(constant);
    CHECK(constant->rho.size() == 1);
    CHECK(constant->dot.empty());
    CHECK(constant->theta.empty());

    const auto zero = table([](double) { return 0.0; });
    REQUIRE(zero);
    CHECK(worst(zero->rho, zero->bend, [](double) { return 0.0; }) == 0.0);

    const auto relu = table(kappa1);
    REQUIRE(relu);
    CHECK(std::isinf(relu->bend));
    CHECK(relu->rho.size() < 24);
    CHECK(relu->error[0] < 4 * kTolerance);
    CHECK(worst(relu->rho, relu->bend, kappa1) < 4 * kTolerance);

    const auto coarse = table(kappa1, 5e-8);
    REQUIRE(coarse);
    CHECK(coarse->rho.size() < relu->rho.size());
    CHECK(worst(coarse->rho, coarse->bend, kappa1) < 1.5e-7);
    CHECK(worst(coarse->rho, coarse->bend, kappa1) > 1e-12);
}

TEST_CASE("a function that is steep at 0 is bent") {
    // 1/(1/θ + 100/3π), of which a critical relu network of 100 layers is nearly a function
    const auto steep = [](double t) { return std::cos(t / (1 + 100 * t / (3 * kPi))); };
    const auto curve = table(steep);
    REQUIRE(curve);
    CHECK(curve->bend < 0.5);
    CHECK(curve->rho.size() < 32);
    CHECK(worst(curve->rho, curve->bend, steep) < 1e-14);
}

TEST_CASE("what no series of the allowed length reaches is refused") {
    CHECK(!table([](double t) { return t == 0.0 ? 1.0 : 0.0; }));                    // a jump at 0
    CHECK(!table([](double t) { return t == kPi ? 1.0 : 0.0; }));                    // at π
    CHECK(!table([](double t) { return std::sqrt(t); }));                            // a square root
    CHECK(!table([](double t) { return std::fabs(t - 1.0); }));                      // a kink
    CHECK(!table([](double t) { return std::cos(500 * t); }, kTolerance, 256));      // too long
    CHECK(table([](double t) { return std::cos(100 * t); }, 1e-13, 512));            // long enough
    CHECK(!table([](double) { return std::numeric_limits<double>::quiet_NaN(); }));  // no number
    CHECK(!table([](double t) { return t > 1.0 ? std::nan("") : std::cos(t); }));    // some are none
    CHECK(!table([](double) { return std::numeric_limits<double>::infinity(); }));
}

TEST_CASE("each function has its own series and tolerance") {
    const auto slow = [](double t) { return std::exp(-t); };
    const auto curve = tabulate(
        [&](const std::vector<double>& angles, double* rho, double* dot, double* theta) {
            for (std::size_t i = 0; i < angles.size(); ++i) {
                rho[i] = std::cos(angles[i]);
                dot[i] = 3.0 - angles[i];
                theta[i] = 100 * slow(angles[i]);
            }
        },
        {kTolerance, kTolerance, 1e-4}, 1024);
    REQUIRE(curve);
    CHECK(curve->dot.size() == 2);
    CHECK(curve->theta.size() < curve->rho.size());
    CHECK(curve->terms() == curve->rho.size() + curve->dot.size() + curve->theta.size());
    CHECK(worst(curve->dot, curve->bend, [](double t) { return 3.0 - t; }) < 1e-14);
    CHECK(worst(curve->theta, curve->bend, [&](double t) { return 100 * slow(t); }) < 3e-4 * 100);
}

}  // namespace
}  // namespace ntkcore
