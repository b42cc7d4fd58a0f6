// Kernel matrices against the reference: every entry, over networks, sizes, data and dtypes.
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "cases.hpp"
#include "kernels.hpp"
#include "ntkcore/gram.hpp"

namespace ntkcore {
namespace {

using testing::check_against;
using testing::draw;
using testing::engine;
using testing::hard_rows;
using testing::Rows;
using testing::Table;
using testing::uniform_network;

const Activation kRelu = testing::ab_relu(0, 1);

struct Slopes {
    double a, b;
};
struct Shape {
    std::size_t n, m;
};

// The pairs of the rows themselves, symmetric and as a rectangle, at all levels and at the last one.
template <class T>
void check_rows(const Network& network, const Rows<T>& rows, double tolerance = testing::kTolerance<T>) {
    const Table<T> table(network, rows);
    std::vector<std::size_t> each(rows.count);
    for (std::size_t i = 0; i < each.size(); ++i) each[i] = i;
    for (const Levels levels : {Levels::all, Levels::last}) {
        const auto symmetric = engine<T>(network, rows.view(), std::nullopt, levels);
        check_against(symmetric, table, each, each, network.depth(), tolerance);
        const auto crossed = engine<T>(network, rows.view(), rows.view(), levels);
        check_against(crossed, table, each, each, network.depth(), tolerance);
    }
}

TEST_CASE_TEMPLATE("Every activation of the family, with and without biases", T, float, double) {
    const std::vector<Slopes> slopes = {{0, 1}, {0.2, 1}, {-1, 1}, {1, 1}, {1, 0}, {2, -3}, {0, 0}, {1e-3, 1}};
    for (const std::size_t features : {3U, 40U}) {
        const Rows<T> rows = hard_rows<T>(features, 11);
        for (const Slopes& of : slopes) {
            for (const double bias : {0.0, 0.1}) {
                CAPTURE(features);
                CAPTURE(of.a);
                CAPTURE(of.b);
                CAPTURE(bias);
                check_rows(uniform_network(3, testing::ab_relu(of.a, of.b), 1.0, bias), rows);
            }
        }
    }
}

TEST_CASE_TEMPLATE("Layers of different kinds", T, float, double) {
    Network network;
    network.affine = {{1.0, 0.0}, {1.5, 0.3}, {0.7, 0.0}, {2.0, 1.0}, {1.0, 0.05}, {0.5, 0.0}};
    network.activation = {kRelu, testing::ab_relu(1, 1), testing::ab_relu(-1, 1), testing::ab_relu(0.1, 1), kRelu};
    SUBCASE("as they are") {}
    SUBCASE("no weights in the middle: a constant") { network.affine[2] = {0.0, 0.5}; }
    SUBCASE("no weights and no bias: nothing") { network.affine[2] = {0.0, 0.0}; }
    SUBCASE("no weights in front: all samples are parallel") { network.affine[0] = {0.0, 0.5}; }
    SUBCASE("nothing in front") { network.affine[0] = {0.0, 0.0}; }
    SUBCASE("a first bias") { network.affine[0] = {1.0, 0.2}; }
    for (const std::size_t features : {2U, 30U}) check_rows(network, hard_rows<T>(features, 12));
}

TEST_CASE_TEMPLATE("Depth 1 and great depths", T, float, double) {
    const Rows<T> rows = hard_rows<T>(5, 13);
    for (const Activation& activation : {kRelu, testing::ab_relu(-1, 1)}) {
        for (const double bias : {0.0, 0.1}) {
            CAPTURE(activation.parameters[0]);
            CAPTURE(bias);
            for (const std::size_t depth : {1U, 2U, 4U})
                check_rows(uniform_network(depth, activation, 1.3, bias), rows);
            // rounding errors add up, until networks are so deep that they are given more digits
            for (const std::size_t depth : {8U, 16U, 17U, 30U}) {
                CAPTURE(depth);
                const double tolerance = (depth == 16 ? 8 : 2) * testing::kTolerance<T>;
                check_rows(uniform_network(depth, activation, 1.3, bias), rows, tolerance);
            }
        }
    }
    Rows<T> few{0, 5, {}};
    for (const std::size_t i : {0U, 1U, 7U, 12U, 16U, 21U, 30U}) few.add(rows.row(i));
    const double tolerance = std::is_same_v<T, float> ? testing::kTolerance<T> : 1e-13;
    for (const double bias : {0.0, 0.1}) check_rows(uniform_network(1000, kRelu, std::sqrt(2.0), bias), few, tolerance);
    check_rows(uniform_network(1000, kRelu, 1.0, 0.1), few);
    check_rows(uniform_network(1000, kRelu, 1.0, 0.0), few, tolerance);  // Σ ~ 2^{−999}, which is 0 in float
}

TEST_CASE_TEMPLATE("Feature counts on both sides of the change from sums to products", T, float, double) {
    const std::size_t last = Samples<T>::kDirectFeatures;
    for (const std::size_t features : {std::size_t{1}, std::size_t{2}, std::size_t{15}, last - 1, last, last + 1,
                                       std::size_t{31}, std::size_t{100}, std::size_t{257}}) {
        CAPTURE(features);
        const Rows<T> rows = hard_rows<T>(features, 14);
        check_rows(uniform_network(4, kRelu, 1.0, 0.1), rows);
        check_rows(uniform_network(4, kRelu, 1.0, 0.0), rows);
    }
}

TEST_CASE_TEMPLATE("Sizes around strips and panels, symmetric", T, float, double) {
    for (const std::size_t features : {3U, 40U}) {
        const Rows<T> pool = hard_rows<T>(features, 15);
        const Network network = uniform_network(3, kRelu, 1.0, 0.1);
        const Table<T> table(network, pool);
        for (const std::size_t n : {0U, 1U, 2U, 3U, 15U, 16U, 17U, 31U, 33U, 255U, 256U, 257U, 511U, 513U}) {
            CAPTURE(features);
            CAPTURE(n);
            const auto data = draw(pool, n, n);
            for (const Levels levels : {Levels::all, Levels::last}) {
                const auto result = engine<T>(network, data.rows.view(), std::nullopt, levels);
                check_against(result, table, data.of, data.of, 3);
            }
        }
    }
}

TEST_CASE_TEMPLATE("Sizes around strips and panels, rectangular", T, float, double) {
    const std::vector<Shape> shapes = {{0, 5},    {5, 0},    {1, 1},    {1, 257},  {257, 1},
                                       {17, 300}, {16, 255}, {33, 256}, {130, 511}};
    for (const std::size_t features : {3U, 40U}) {
        const Rows<T> pool = hard_rows<T>(features, 16);
        const Network network = uniform_network(3, kRelu, 1.0, 0.1);
        const Table<T> table(network, pool);
        for (const Shape& shape : shapes) {
            CAPTURE(features);
            CAPTURE(shape.n);
            CAPTURE(shape.m);
            const auto x = draw(pool, shape.n, 1);
            const auto z = draw(pool, shape.m, 2);
            for (const Levels levels : {Levels::all, Levels::last}) {
                const auto result = engine<T>(network, x.rows.view(), z.rows.view(), levels);
                check_against(result, table, x.of, z.of, 3);
            }
        }
    }
}

// Matrices of half a million entries have taller strips, and those that no cache holds are written past it.
TEST_CASE_TEMPLATE("Large matrices", T, float, double) {
    const std::vector<Shape> shapes = {{725, 0},    {1023, 0},   {1025, 0},   {127, 4200},
                                       {129, 4100}, {257, 2050}, {1025, 513}, {2060, 255}};
    for (const std::size_t features : {3U, 40U}) {
        const Rows<T> pool = hard_rows<T>(features, 17);
        const Network network = uniform_network(3, kRelu, 1.0, 0.1);
        const Table<T> table(network, pool);
        for (const Shape& shape : shapes) {
            CAPTURE(features);
            CAPTURE(shape.n);
            CAPTURE(shape.m);
            const auto x = draw(pool, shape.n, 3);
            const auto z = shape.m == 0 ? x : draw(pool, shape.m, 4);
            const auto cols = shape.m == 0 ? std::nullopt : std::optional(z.rows.view());
            check_against(engine<T>(network, x.rows.view(), cols, Levels::last), table, x.of, z.of, 3);
            if (features == 3)
                check_against(engine<T>(network, x.rows.view(), cols, Levels::all), table, x.of, z.of, 3);
        }
    }
}

TEST_CASE_TEMPLATE("Samples of very different lengths", T, float, double) {
    // |x|² and products of lengths leave the range of T; the kernels of depth 2 and their relative errors do not care
    constexpr int kRange = std::is_same_v<T, float> ? 55 : 480;
    testing::Random random(18);
    for (const std::size_t features : {3U, 40U}) {
        for (const double bias : {0.0, 0.1}) {
            CAPTURE(features);
            CAPTURE(bias);
            Rows<T> rows{0, features, {}};
            for (const int e : {-kRange, -kRange / 2, 0, kRange / 2, kRange}) {
                for (int copy = 0; copy < 2; ++copy) {
                    std::vector<double> row = random.normal<double>(features);
                    for (double& value : row) value = std::ldexp(value, e);
                    rows.add(row);
                    for (double& value : row) value *= -1.001;
                    rows.add(row);
                }
            }
            rows.add(std::vector<double>(features, 0.0));
            check_rows(uniform_network(2, kRelu, 1.0, bias), rows);
        }
    }
}

TEST_CASE_TEMPLATE("Denormal samples have a direction", T, float, double) {
    constexpr double kTiny = std::numeric_limits<T>::denorm_min();
    for (const std::size_t features : {2U, 40U}) {
        const Network network = uniform_network(2, kRelu, 1.0, 0.5);
        Network growing = uniform_network(2, kRelu, 1.0, 0.0);
        growing.affine[0].weight_std = 1 / kTiny;
        Rows<T> rows{0, features, {}};
        for (const double scale : {1.0, 2.0, 100.0, -1.0}) {
            std::vector<double> row(features, 0.0);
            row[0] = scale * kTiny;
            row[1] = 3 * kTiny;
            rows.add(row);
        }
        check_rows(network, rows);
        if constexpr (std::is_same_v<T, float>) check_rows(growing, rows);  // 1/kTiny is infinite as a double's
    }
}

TEST_CASE_TEMPLATE("Entries beyond the range of the dtype are its largest number, and that is said", T, float, double) {
    constexpr T kLargest = std::numeric_limits<T>::max();
    const auto length = static_cast<T>(std::sqrt(static_cast<double>(kLargest)) * 4);
    for (const std::size_t features : {1U, 40U}) {
        std::vector<T> data(2 * features, T(0));
        data[0] = length;
        data[features] = T(1);
        const MatrixView<const T> x{data.data(), 2, features, static_cast<std::ptrdiff_t>(features), 1};
        const Network network = uniform_network(1, kRelu, 1.0, 0.0);
        const auto n0 = static_cast<T>(features);
        const auto symmetric = engine<T>(network, x, std::nullopt, Levels::last, 1, 1U);
        CHECK(symmetric.clipped == (features == 1));  // 16·max/40 fits
        const std::vector<T>& sigma = symmetric.kernels[0][0];
        if (features == 1) CHECK(sigma[0] == kLargest);
        CHECK(sigma[1] == doctest::Approx(length / n0));
        CHECK(sigma[2] == sigma[1]);
        CHECK(sigma[3] == doctest::Approx(1 / n0));
        CHECK(engine<T>(network, x, x, Levels::last, 1, 1U).clipped == (features == 1));

        std::vector<T> diagonal(2);
        CHECK(gram_diagonal<T>(network, x, diagonal.data(), nullptr, 1) == (features == 1));
        CHECK(diagonal[0] == sigma[0]);

        data[features] = -length;  // the smallest number, too
        const auto opposite = engine<T>(network, x, std::nullopt, Levels::last, 1, 1U);
        if (features == 1) CHECK(opposite.kernels[0][0][1] == -kLargest);
    }
}

}  // namespace
}  // namespace ntkcore
