// Every family of activations against its closed form in the reference.
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "cases.hpp"
#include "kernels.hpp"
#include "ntkcore/activation.hpp"
#include "ntkcore/gram.hpp"

namespace ntkcore {
namespace {

using testing::engine;
using testing::Rows;
using testing::Table;

const std::vector<Activation> kActivations = {
    {Family::ab_relu, {0, 1}, nullptr},
    {Family::exponential, {0.7, 0.5}, nullptr},
    {Family::exponential, {1, -0.4}, nullptr},
    {Family::rbf, {0.5}, nullptr},
    {Family::rbf, {3}, nullptr},
    {Family::erf, {1, 1, 0}, nullptr},
    {Family::erf, {0.5, 1.7, 0.5}, nullptr},
    {Family::gelu, {}, nullptr},
    {Family::mehler, {0.3, 1, -0.5, 0.2}, nullptr},
    {Family::mehler, {0, 0, 1}, nullptr},
    {Family::hermite, {1}, nullptr},
    {Family::hermite, {3}, nullptr},
    {Family::hermite, {4}, nullptr},
    {Family::sinusoid, {1, 1, 1, 0}, nullptr},
    {Family::sinusoid, {1, 2, 0, 1}, nullptr},
    {Family::sinusoid, {0.8, 1.3, 0.6, 0.8}, nullptr},
    {Family::rectified_monomial, {1}, nullptr},
    {Family::rectified_monomial, {2}, nullptr},
    {Family::rectified_monomial, {3}, nullptr},
    {Family::step, {-1, 1}, nullptr},
    {Family::step, {0, 1}, nullptr},
    {Family::step, {-0.3, 2}, nullptr},
    {Family::gaussian, {1, -1}, nullptr},
    {Family::gaussian, {2, -0.1}, nullptr},
    {Family::piecewise_linear, {0, 0, 1, 0, 0}, nullptr},
    {Family::piecewise_linear, {0, -1, 1, 0, 0}, nullptr},
    {Family::piecewise_linear, {0, 0.3, -1.2, 0, 0}, nullptr},
    {Family::piecewise_linear, {0, 0.7, 0.7, 0, 0}, nullptr},
};

std::string describe(const Activation& activation) {
    std::string text = name(activation.family);
    for (const double parameter : activation.parameters) text += " " + std::to_string(parameter);
    return text;
}

template <class T>
void check_network(const Network& network, const Rows<T>& rows, double tolerance) {
    const Table<T> table(network, rows);
    std::vector<std::size_t> each(rows.count);
    for (std::size_t i = 0; i < each.size(); ++i) each[i] = i;
    bool smooth = true;
    for (const Activation& activation : network.activation) smooth = smooth && differentiable(activation.family);
    const unsigned wanted = smooth ? testing::kAllKernels : 1U;
    const auto symmetric = engine<T>(network, rows.view(), std::nullopt, Levels::all, 2, wanted);
    testing::check_against(symmetric, table, each, each, network.depth(), tolerance);
    const auto crossed = engine<T>(network, rows.view(), rows.view(), Levels::last, 2, wanted);
    testing::check_against(crossed, table, each, each, network.depth(), tolerance);
}

TEST_CASE_TEMPLATE("Closed forms, of samples of different and of equal lengths", T, float, double) {
    const double tolerance = std::is_same_v<T, float> ? 1e-6 : 1e-14;
    for (const std::size_t features : {3U, 40U}) {
        Rows<T> rows = testing::hard_rows<T>(features, 71, 2.0);
        SUBCASE("different lengths") {}
        SUBCASE("equal lengths") {
            Rows<T> unit{0, features, {}};
            for (std::size_t i = 0; i < rows.count; ++i) {
                std::vector<double> row = rows.row(i);
                double norm = 0;
                for (const double value : row) norm += value * value;
                for (double& value : row) value *= std::sqrt(static_cast<double>(features) / norm);
                if (norm > 0) unit.add(row);
            }
            rows = unit;
        }
        for (const Activation& activation : kActivations) {
            for (const double bias : {0.0, 0.3}) {
                CAPTURE(features);
                CAPTURE(describe(activation));
                CAPTURE(bias);
                // the angles of a step's duals are square roots of the errors before them
                const std::size_t depth = activation.family == Family::step ? 2 : 3;
                check_network(testing::uniform_network(depth, activation, 0.9, bias), rows, tolerance);
            }
        }
    }
}

TEST_CASE_TEMPLATE("One family after another", T, float, double) {
    const double tolerance = std::is_same_v<T, float> ? 1e-6 : 1e-14;
    const Rows<T> rows = testing::hard_rows<T>(5, 72, 2.0);
    Network network;
    network.affine.assign(8, {0.8, 0.2});
    network.activation = {{Family::erf, {1, 1, 0}, nullptr},
                          testing::ab_relu(0.1, 1),
                          {Family::gelu, {}, nullptr},
                          {Family::sinusoid, {1, 1, 1, 0}, nullptr},
                          {Family::gaussian, {1, -1}, nullptr},
                          {Family::rectified_monomial, {2}, nullptr},
                          {Family::mehler, {0.1, 1, 0.3}, nullptr}};
    check_network(network, rows, tolerance);
}

TEST_CASE_TEMPLATE("The Hermite expansion of a function with a closed form", T, float, double) {
    const double tolerance = std::is_same_v<T, float> ? 2e-6 : 1e-9;
    const Rows<T> rows = testing::hard_rows<T>(5, 73, 2.0);
    const auto erf = [](const double* x, std::size_t n, double* y) {
        for (std::size_t i = 0; i < n; ++i) y[i] = std::erf(x[i]);
    };
    const auto expandable = std::make_shared<const Expandable>(Expandable{erf, {}, 0.0});
    const Network exact = testing::uniform_network(3, {Family::erf, {1, 1, 0}, nullptr}, 0.9, 0.3);
    const Network network = testing::uniform_network(3, {Family::expanded, {}, expandable}, 0.9, 0.3);
    const Table<T> table(exact, rows);
    std::vector<std::size_t> each(rows.count);
    for (std::size_t i = 0; i < each.size(); ++i) each[i] = i;
    const auto result = engine<T>(network, rows.view(), std::nullopt, Levels::all);
    testing::check_against(result, table, each, each, 3, tolerance);
}

TEST_CASE("Families have names") {
    for (const Activation& activation : kActivations) CHECK(family(name(activation.family)) == activation.family);
    CHECK_THROWS_AS(static_cast<void>(family("no such")), std::invalid_argument);
}

}  // namespace
}  // namespace ntkcore
