// Tables of functions of the angle: accuracy in and at the edges of the bins, refusal, and the tile kernel that reads
// them.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <random>
#include <vector>

#include "angle_table.hpp"
#include "isas.hpp"

namespace ntkcore {
namespace {

using Real = long double;
constexpr double kTolerance = 2e-15;

// The angle of a signed versine, in extended precision.
Real angle(double u) {
    const Real half = 2 * std::asin(std::sqrt(Real(std::fabs(u)) / 2));
    return std::signbit(u) ? std::acos(Real(-1)) - half : half;
}

using Function = std::function<Real(double)>;  // of u

std::optional<AngleTable> table(const Function& f, std::size_t terms = 8, double tolerance = kTolerance) {
    const std::array<double, 3> tolerances = {0, 0, tolerance};
    const auto pieces = AnglePieces::make(
        [&](const std::vector<double>& u, double* rho, double* dot, double* theta) {
            CHECK(rho == nullptr);  // not wanted
            CHECK(dot == nullptr);
            for (std::size_t i = 0; i < u.size(); ++i) theta[i] = static_cast<double>(f(u[i]));
        },
        tolerances, terms < 8);
    return pieces ? find_angle_table(*pieces, tolerances, terms, terms < 8) : std::nullopt;
}

// On all scales of either sign, and on both sides of the edges of bins.
std::vector<double> places(const AngleTable& found) {
    std::vector<double> result = {0.0, -0.0, 1.0, -1.0, std::numeric_limits<double>::denorm_min()};
    std::mt19937_64 random(1);
    std::uniform_real_distribution<double> uniform;
    for (int i = 0; i < 4000; ++i) {
        const double t = i % 2 == 0 ? uniform(random) : std::exp2(-60 * uniform(random));
        result.push_back(i % 4 < 2 ? t * t : -t * t);
    }
    for (std::size_t sign = 0; sign < 2; ++sign) {
        for (std::size_t b = 1; b < found.bins[sign]; ++b) {
            const double t = found.start(sign, b) - found.offset(sign);
            if (t > 1) continue;
            for (const double near : {t, t * (1 - 1e-15), t * (1 + 1e-15)}) {
                result.push_back((sign == 0 ? 1 : -1) * std::fmin(1.0, near * near));
            }
        }
    }
    return result;
}

double worst(const AngleTable& found, const Function& f) {
    double error = 0.0;
    for (const double u : places(found)) {
        double value = 0.0;
        found.evaluate(u, &value);
        error = std::fmax(error, static_cast<double>(std::fabs(value - f(u))));
    }
    return error / found.size[2];
}

Real kappa1(double u) {
    const Real t = angle(u), pi = std::acos(Real(-1));
    return (std::sin(t) + (pi - t) * std::cos(t)) / pi;
}

TEST_CASE("polynomials through Chebyshev's nodes") {
    for (const std::size_t n : {4, 8}) {
        const detail::Interpolation interpolation(n);
        for (std::size_t power = 0; power < n; ++power) {
            std::vector<double> values, c(n);
            for (const double s : interpolation.nodes()) values.push_back(std::pow(s, static_cast<double>(power)));
            interpolation.fit(values.data(), 0.25, c.data());
            for (const double s : {0.0, 0.3, 0.8, 1.0}) {
                double sum = 0.0;
                for (std::size_t k = n; k-- > 0;) sum = sum * (s / 4) + c[k];
                CHECK(std::fabs(sum - std::pow(s, static_cast<double>(power))) <= 1e-15 * (power < 4 ? 2.0 : 20.0));
            }
        }
    }
}

TEST_CASE("bins are numbered from the offset on, and double with every octave") {
    AngleTable t;
    t.bits = 3;
    t.octaves = {5, 7};
    for (const std::size_t sign : {0, 1}) {
        CHECK(t.start(sign, 0) == t.offset(sign));
        for (std::size_t b = 0; b < 60; ++b) {
            CHECK(t.bin(sign, t.start(sign, b)) == b);
            CHECK(t.bin(sign, std::nextafter(t.start(sign, b + 1), 0.0)) == b);
            CHECK(t.start(sign, b + 8) == 2 * t.start(sign, b));
        }
    }
}

TEST_CASE("smooth functions take a small table") {
    const auto relu = table(kappa1);
    REQUIRE(relu);
    CHECK(relu->coefficients.size() * sizeof(double) <= 8192);
    CHECK(worst(*relu, kappa1) < 3 * kTolerance);
    double value = 0.0;
    relu->evaluate(0.0, &value);
    CHECK(value == 1.0);
    relu->evaluate(-0.0, &value);
    CHECK(value == static_cast<double>(kappa1(-0.0)));

    const auto coarse = table(kappa1, 4, 5e-8);
    REQUIRE(coarse);
    CHECK(coarse->coefficients.size() * sizeof(float) <= 2048);
    CHECK(worst(*coarse, kappa1) < 1.5e-7);

    const auto zero = table([](double) { return Real(0); });
    REQUIRE(zero);
    CHECK(zero->steep_until(0.0) == 0.0);
}

TEST_CASE("functions that are steep at 0 or at π, on any scale") {
    for (const double steepness : {1e2, 1e5, 1e10, 1e15}) {
        for (const bool opposite : {false, true}) {
            const Function steep = [&](double u) {
                const Real t = opposite ? angle(-u) : angle(u);
                return 1 / (1 + steepness * t) + t / 10;
            };
            const auto found = table(steep);
            REQUIRE(found);
            CHECK(found->coefficients.size() * sizeof(double) <= std::size_t{256} << 10);
            CHECK(worst(*found, steep) < 3.5 * kTolerance);
            CHECK(found->steep_until(1.01 * steepness) == 0.0);
            CHECK(found->steep_until(0.3 * steepness) > 0.0);
            // steepness/(1 + steepness θ)² = 1/4 at θ = 2/√steepness
            const double until = found->steep_until(0.25);
            CHECK(until > 2 / steepness / 4);
            CHECK(until < 2 / steepness * 4);
        }
    }
    // as sign layers have: not analytic at 0
    const Function root = [](double u) { return 1 - std::sqrt(angle(u) / 4); };
    const auto found = table(root);
    REQUIRE(found);
    CHECK(worst(*found, root) < 4 * kTolerance);
}

TEST_CASE("pieces take few values of the functions") {
    for (const double steepness : {1.0, 1e5, 1e12}) {
        std::size_t count = 0;
        const Function steep = [&](double u) {
            ++count;
            return 1 / (1 + steepness * angle(u));
        };
        REQUIRE(table(steep));
        CHECK(count <= 600.0 + 80 * std::log2(steepness));
    }
}

TEST_CASE("what no table of the allowed size reaches is refused") {
    CHECK(!table([](double u) { return Real(u == 0.0 && !std::signbit(u) ? 1 : 0); }));  // a jump at 0
    CHECK(!table([](double u) { return Real(u == 0.0 && std::signbit(u) ? 1 : 0); }));   // at π
    CHECK(!table([](double u) { return std::fabs(angle(u) - 1); }));                     // a kink
    CHECK(!table([](double u) { return std::cos(2000 * angle(u)); }));
    CHECK(table([](double u) { return std::cos(20 * angle(u)); }));
    CHECK(!table([](double) { return std::numeric_limits<Real>::quiet_NaN(); }));
    CHECK(!table([](double u) { return angle(u) > 1 ? std::numeric_limits<Real>::quiet_NaN() : std::cos(angle(u)); }));
    CHECK(!table([](double) { return std::numeric_limits<Real>::infinity(); }));
}

// ρ, D̂ and Θ of some network, as a table with these functions.
AngleTable some_table(std::size_t terms, const std::array<bool, 3>& has) {
    const double tolerance = terms == 8 ? kTolerance : 5e-8;
    std::array<double, 3> tolerances{};
    for (std::size_t s = 0; s < 3; ++s) tolerances[s] = has[s] ? tolerance : 0.0;
    const auto pieces = AnglePieces::make(
        [&](const std::vector<double>& u, double* rho, double* dot, double* theta) {
            for (std::size_t i = 0; i < u.size(); ++i) {
                const Real t = angle(u[i]);
                if (rho != nullptr) rho[i] = static_cast<double>(std::cos(t / (1 + 10 * t)) * (1 - t / 2));
                if (dot != nullptr) dot[i] = static_cast<double>(3 - t);
                if (theta != nullptr) theta[i] = static_cast<double>(100 * std::exp(-t));
            }
        },
        tolerances, terms < 8);
    REQUIRE(pieces);
    const auto found = find_angle_table(*pieces, tolerances, terms, terms < 8);
    REQUIRE(found);
    return *found;
}

// The kernel against the slow twin, for columns begin … end of a panel; the largest error relative to the maxima.
template <class T>
double gap(const tile::Kernels<T>& kernels, const AngleTable& found, const RoundedTable<T>& rounded, const double* at,
           std::size_t begin, std::size_t end) {
    constexpr std::size_t n = tile::kPanel;
    Aligned<T> state[3] = {Aligned<T>(n), Aligned<T>(n), Aligned<T>(n)};  // u, D̂ and Θ
    std::vector<T> before[3];
    for (std::size_t j = 0; j < n; ++j) {
        state[0][j] = static_cast<T>(at[j]);
        state[1][j] = state[2][j] = T(-7);
    }
    for (std::size_t s = 0; s < 3; ++s) before[s].assign(state[s].data(), state[s].data() + n);
    rounded.run(kernels, begin, end, state[0].data(), state[1].data(), state[2].data());
    double worst_gap = 0.0;
    for (std::size_t j = 0; j < n; ++j) {
        double want[3];
        found.evaluate(static_cast<double>(before[0][j]), want);
        for (std::size_t s = 0, next = 0; s < 3; ++s) {
            if (!found.has[s] || j < begin || j >= end) {
                if (state[s][j] != before[s][j]) return 1.0;  // must be left alone
                continue;
            }
            auto value = static_cast<double>(state[s][j]);
            if (s == 0) value = std::signbit(value) ? -(1 + value) : 1 - value;
            worst_gap = std::fmax(worst_gap, std::fabs(value - want[next++]) / found.size[s]);
        }
    }
    return worst_gap;
}

TEST_CASE_TEMPLATE("the tile kernel evaluates the table", T, float, double) {
    for (unsigned which = 1; which < 8; ++which) {
        const AngleTable found =
            some_table(tile::kTableTerms<T>, {(which & 1U) != 0, (which & 2U) != 0, (which & 4U) != 0});
        const RoundedTable<T> rounded(found);
        std::vector<double> at = places(found);
        at.resize((at.size() + tile::kPanel - 1) / tile::kPanel * tile::kPanel, 0.5);
        testing::on_each_isa<T>([&](const tile::Kernels<T>& kernels) {
            double worst_gap = 0.0;
            for (std::size_t from = 0, i = 0; from < at.size(); from += tile::kPanel, ++i) {
                const std::size_t begin = tile::kColumnStep * (i % 3), end = tile::kPanel - tile::kColumnStep * (i % 2);
                worst_gap = std::fmax(worst_gap, gap(kernels, found, rounded, at.data() + from, begin, end));
            }
            CHECK(worst_gap <= 8 * std::numeric_limits<T>::epsilon());
        });
    }
}

TEST_CASE_TEMPLATE("padding may hold anything", T, float, double) {
    const RoundedTable<T> rounded(some_table(tile::kTableTerms<T>, {true, true, true}));
    testing::on_each_isa<T>([&](const tile::Kernels<T>& kernels) {
        Aligned<T> u(16), dot(16), theta(16);
        const T infinity = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
        const T odd[] = {infinity, -infinity, nan, -nan, T(2), T(-2), std::numeric_limits<T>::max(), T(1.0000001)};
        for (std::size_t j = 0; j < 16; ++j) u[j] = odd[j % 8];
        rounded.run(kernels, 0, 16, u.data(), dot.data(), theta.data());
        for (std::size_t j = 0; j < 16; ++j) CHECK(std::isfinite(theta[j]));
    });
}

}  // namespace
}  // namespace ntkcore
