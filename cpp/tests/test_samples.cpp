// What is known of single samples: unit vectors, tables of the layers, diagonals.
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <vector>

#include "cases.hpp"
#include "ntkcore/samples.hpp"
#include "reference.hpp"

namespace ntkcore {
namespace {

using reference::Real;
using testing::Rows;

template <class T>
constexpr double kEpsilon = std::numeric_limits<T>::epsilon();

template <class T>
Samples<T> make(const Network& network, MatrixView<const T> x, Levels levels = Levels::last, int threads = 2,
                const Samples<T>* like = nullptr) {
    Layers<T> layers;
    for (const Activation& activation : network.activation) layers.push_back(Layer<T>::make(activation));
    return Samples<T>(network, layers, x, levels, threads, like);
}

template <class T>
Rows<T> random_rows(std::size_t n, std::size_t features, std::uint64_t seed) {
    testing::Random random(seed);
    return {n, features, random.normal<T>(n * features)};
}

// x̂ = (σ_w x/√n0, σ_b)/√q, the bias only if there is one.
std::vector<Real> unit_vector(const Affine& first, const std::vector<double>& x) {
    std::vector<Real> unit;
    for (const double value : x) {
        unit.push_back(Real(first.weight_std) * Real(value) / reference::sqrt(static_cast<Real>(x.size())));
    }
    if (first.bias_std != 0) unit.push_back(first.bias_std);
    Real q = 0;
    for (const Real value : unit) q += value * value;
    for (Real& value : unit) value /= reference::sqrt(q);
    return unit;
}

double gap(Real got, Real want) { return static_cast<double>(got < want ? want - got : got - want); }

TEST_CASE_TEMPLATE("Few features: panels of unit vectors over √2, padded with zeros", T, float, double) {
    for (const std::size_t n : {1U, 255U, 256U, 257U}) {
        for (const double bias : {0.0, 0.3}) {
            CAPTURE(n);
            CAPTURE(bias);
            const Network network = testing::uniform_network(2, testing::ab_relu(0, 1), 1.7, bias);
            const Rows<T> rows = random_rows<T>(n, 5, 41);
            const Samples<T> samples = make<T>(network, rows.view());
            REQUIRE(samples.direct());
            REQUIRE(samples.size() == n);
            REQUIRE(samples.features() == (bias == 0.0 ? 5 : 6));
            testing::Largest worst;
            const std::size_t blocks = (n + Samples<T>::kBlock - 1) / Samples<T>::kBlock;
            for (std::size_t i = 0; i < blocks * Samples<T>::kBlock; ++i) {
                const T* const column = samples.panel(i / Samples<T>::kBlock) + i % Samples<T>::kBlock;
                for (std::size_t k = 0; k < samples.features(); ++k) {
                    const T value = column[k * Samples<T>::kBlock];
                    if (i >= n) {
                        REQUIRE(value == T(0));
                    } else {
                        const Real want = unit_vector(network.affine[0], rows.row(i))[k] / reference::sqrt(Real(2));
                        worst.add(gap(value, want));
                    }
                }
            }
            CHECK(worst.value() < 4 * kEpsilon<T>);
        }
    }
}

TEST_CASE_TEMPLATE("Many features: centred unit rows, in rows and in strips", T, float, double) {
    constexpr std::size_t kStrip = 128 / sizeof(T);
    for (const double bias : {0.0, 0.3}) {
        const Network network = testing::uniform_network(2, testing::ab_relu(0, 1), 1.7, bias);
        const Rows<T> rows = random_rows<T>(300, 37, 42);
        const Samples<T> samples = make<T>(network, rows.view());
        REQUIRE_FALSE(samples.direct());
        REQUIRE(samples.features() == (bias == 0.0 ? 37 : 38));
        REQUIRE(samples.feature_stride() >= samples.features());
        std::vector<Real> mean(samples.features(), 0);
        testing::Largest worst;
        testing::Largest worst_norm;
        for (std::size_t i = 0; i < 300; ++i) {
            const std::vector<Real> unit = unit_vector(network.affine[0], rows.row(i));
            Real norm = 0;
            for (std::size_t k = 0; k < samples.features(); ++k) {
                const T value = samples.row(i)[k];
                mean[k] += unit[k] / 300;
                worst.add(gap(Real(value) + Real(samples.centre()[k]), unit[k]));
                norm += Real(value) * Real(value) / 2;
                REQUIRE(samples.strips()[(i / kStrip * samples.features() + k) * kStrip + i % kStrip] == value);
            }
            worst_norm.add(gap(samples.half_norm()[i], norm));
            for (std::size_t k = samples.features(); k < samples.feature_stride(); ++k) {
                REQUIRE(samples.row(i)[k] == T(0));
            }
        }
        CHECK(worst.value() < kEpsilon<T>);
        CHECK(worst_norm.value() < kEpsilon<T>);
        for (std::size_t k = 0; k < samples.features(); ++k) CHECK(gap(samples.centre()[k], mean[k]) < kEpsilon<T>);
        for (std::size_t i = 300; i < 512; ++i) CHECK(samples.half_norm()[i] == T(0));
    }
}

TEST_CASE_TEMPLATE("Samples that are compared with others share their centre", T, float, double) {
    const Network network = testing::uniform_network(2, testing::ab_relu(0, 1), 1.0, 0.1);
    const Rows<T> rows = random_rows<T>(50, 37, 43);
    const Rows<T> others = random_rows<T>(20, 37, 44);
    const Samples<T> first = make<T>(network, rows.view());
    const Samples<T> own = make<T>(network, others.view());
    const Samples<T> shared = make<T>(network, others.view(), Levels::last, 2, &first);
    bool differs = false;
    for (std::size_t k = 0; k < first.features(); ++k) {
        CHECK(shared.centre()[k] == first.centre()[k]);
        differs = differs || own.centre()[k] != first.centre()[k];
    }
    CHECK(differs);
}

TEST_CASE_TEMPLATE("Tables of the affine maps and diagonals of every level", T, float, double) {
    Network network;
    network.affine = {{1.2, 0.1}, {0.9, 0.4}, {1.5, 0.0}, {1.0, 2.0}};
    network.activation = {testing::ab_relu(0, 1), testing::ab_relu(0.2, 1), testing::ab_relu(-1, 1)};
    const Rows<T> rows = random_rows<T>(300, 4, 45);
    const Samples<T> all = make<T>(network, rows.view(), Levels::all);
    const Samples<T> last = make<T>(network, rows.view(), Levels::last);
    CHECK(all.r(1) == nullptr);  // no bias behind the second activation
    CHECK(all.s(1) == nullptr);
    for (std::size_t i = 0; i < 300; i += 7) {
        CAPTURE(i);
        const auto exact = reference::kernels(network, rows.row(i), rows.row(i));
        for (std::size_t level = 0; level < 4; ++level) {
            CAPTURE(level);
            CHECK(gap(Real(all.sigma_diagonal(level, i)) / exact[level].sigma, 1) <= kEpsilon<T>);
            CHECK(gap(Real(all.theta_diagonal(level, i)) / exact[level].theta, 1) <= 2 * kEpsilon<T>);
            CHECK(gap(all.scale(level).rounded[i], reference::sqrt(exact[level].sigma)) <
                  2 * kEpsilon<T> * static_cast<double>(all.scale(level).rounded[i]));
            if (level > 0)
                CHECK(gap(Real(all.sigma_dot_diagonal(level, i)) / exact[level].sigma_dot, 1) <= kEpsilon<T>);
            CHECK_FALSE(all.degenerate(level, i));
        }
        CHECK(last.sigma_diagonal(0, i) == all.sigma_diagonal(3, i));
        CHECK(last.sigma_dot_diagonal(0, i) == all.sigma_dot_diagonal(3, i));
        CHECK(last.theta_diagonal(0, i) == all.theta_diagonal(3, i));
        for (const std::size_t m : {0U, 2U}) {
            const Real q = exact[m + 1].sigma;
            const Real bias = Real(network.affine[m + 1].bias_std) * Real(network.affine[m + 1].bias_std);
            CHECK(gap(all.r(m)[i], reference::sqrt((q - bias) / (2 * q))) < kEpsilon<T>);
            CHECK(gap(all.s(m)[i], reference::sqrt(bias / (2 * q))) < kEpsilon<T>);
        }
    }
    CHECK_FALSE(all.any_zero());
    CHECK_FALSE(all.any_degenerate());
    CHECK_FALSE(all.wide_range());
}

TEST_CASE_TEMPLATE("Samples without variance are known", T, float, double) {
    Rows<T> rows = random_rows<T>(10, 3, 46);
    for (std::size_t k = 0; k < 3; ++k) rows.values[4 * 3 + k] = T(0);
    const Network network = testing::uniform_network(3, testing::ab_relu(0, 1), 1.0, 0.0);
    const Samples<T> samples = make<T>(network, rows.view(), Levels::all);
    CHECK(samples.any_zero());
    CHECK(samples.any_degenerate());
    for (std::size_t i = 0; i < 10; ++i) {
        CHECK(samples.zero_input(i) == (i == 4));
        CHECK(samples.degenerate(1, i) == (i == 4));
        CHECK(samples.degenerate(2, i) == (i == 4));
    }
    CHECK(samples.sigma_diagonal(2, 4) == T(0));
    CHECK(samples.theta_diagonal(2, 4) == T(0));
    CHECK(samples.sigma_dot_diagonal(2, 4) == T(0.5));

    const Network with_bias = testing::uniform_network(3, testing::ab_relu(0, 1), 1.0, 0.1);
    CHECK_FALSE(make<T>(with_bias, rows.view()).any_zero());
    CHECK_FALSE(make<T>(with_bias, rows.view()).any_degenerate());
}

TEST_CASE_TEMPLATE("Lengths that leave the comfortable range are known", T, float, double) {
    const Network network = testing::uniform_network(2, testing::ab_relu(0, 1), 1.0, 0.0);
    const Network fading = testing::uniform_network(2500, testing::ab_relu(0, 1), 1.0, 0.0);
    Rows<T> rows = random_rows<T>(10, 3, 47);
    CHECK_FALSE(make<T>(network, rows.view()).wide_range());
    CHECK(make<T>(fading, rows.view()).wide_range());
    for (const int sign : {-1, 1}) {
        rows = random_rows<T>(10, 3, 47);
        for (T& value : rows.values) value = std::ldexp(value, sign * std::numeric_limits<T>::max_exponent / 2);
        CHECK(make<T>(network, rows.view()).wide_range());
    }
}

TEST_CASE_TEMPLATE("The same bits for every number of threads", T, float, double) {
    const Network network = testing::uniform_network(3, testing::ab_relu(0, 1), 1.0, 0.1);
    const Rows<T> rows = random_rows<T>(3000, 31, 48);  // several chunks of the mean
    const Samples<T> one = make<T>(network, rows.view(), Levels::last, 1);
    for (const int threads : {2, 7}) {
        const Samples<T> many = make<T>(network, rows.view(), Levels::last, threads);
        CHECK(std::memcmp(many.centre(), one.centre(), one.feature_stride() * sizeof(T)) == 0);
        CHECK(std::memcmp(many.row(0), one.row(0), 3000 * one.feature_stride() * sizeof(T)) == 0);
        CHECK(std::memcmp(many.half_norm(), one.half_norm(), 3000 * sizeof(T)) == 0);
        CHECK(std::memcmp(many.r(1), one.r(1), 3000 * sizeof(T)) == 0);
        for (std::size_t i = 0; i < 3000; ++i) REQUIRE(many.theta_diagonal(0, i) == one.theta_diagonal(0, i));
    }
}

TEST_CASE("No samples") {
    const Network network = testing::uniform_network(3, testing::ab_relu(0, 1), 1.0, 0.1);
    for (const std::size_t features : {3U, 40U}) {
        const Samples<float> none = make<float>(network, {nullptr, 0, features, 1, 1});
        CHECK(none.size() == 0);
        CHECK_FALSE(none.any_zero());
        CHECK_FALSE(none.wide_range());
    }
}

}  // namespace
}  // namespace ntkcore
