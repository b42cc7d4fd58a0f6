// Finite networks against plain loops, and those against differences of the loss.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "mlp_cases.hpp"

namespace ntkcore {
namespace {

using reference::Real;
using testing::Case;
using testing::distance;
using testing::kMlpTolerance;
using testing::OwnParameters;

// Every path: thin and wide inputs, one layer, tiles and a rest, rows longer than a piece, points together through all
// layers, borrowed products beside own ones.
template <class T>
std::vector<Case<T>> cases() {
    std::vector<Case<T>> all;
    for (const std::size_t n : {1U, 5U, 8U, 33U}) all.emplace_back(std::vector<std::size_t>{3, 17, 70, 2}, n, "tanh");
    all.emplace_back(std::vector<std::size_t>{90, 7}, 4, "tanh");
    all.emplace_back(std::vector<std::size_t>{1, 1, 1}, 1, "tanh");
    all.emplace_back(std::vector<std::size_t>{70, 129, 1}, 131, "ab_relu");
    for (const std::size_t n : {3U, 6U}) all.emplace_back(std::vector<std::size_t>{2, 4500, 70, 1}, n, "tanh");
    for (const std::size_t n : {9U, 30U}) {  // W that passes through once, in parts and with a rest
        all.emplace_back(std::vector<std::size_t>{80, 611, 1031, 3}, n, "tanh");
        std::fill_n(all.back().direction.begin(), 3 * (n - 2), T(0));
    }
    all.emplace_back(std::vector<std::size_t>{90, 257, 260, 70, 1}, 260, "gelu");
    // the reference takes long for so many weights: most points have no weight in the sum
    std::fill_n(all.back().direction.begin(), 250, T(0));
    return all;
}

TEST_CASE_TEMPLATE("Outputs, preactivations and gradients are those of plain loops", T, float, double) {
    for (Case<T>& c : cases<T>()) {
        CAPTURE(c.n);
        CAPTURE(c.sizes[1]);
        Mlp<T> mlp = c.engine(2);
        mlp.forward(c.n, c.points());
        for (std::size_t p = 0; p < c.n; p += 1 + c.n / 7) {
            const auto wanted = reference::preactivations(c.layers(), c.sigma, c.point(p));
            for (std::size_t level = 1; level <= c.depth(); ++level) {
                const T* row = mlp.preactivation(level).at(p, 0);
                CHECK(distance(std::vector<T>(row, row + c.sizes[level]), wanted[level - 1]) < kMlpTolerance<T>);
            }
        }
        OwnParameters<T> found(c.sizes, T(-99));
        mlp.gradient(c.direction.data(), found.view);
        const auto wanted = c.gradient();
        for (std::size_t part = 0; part < wanted.size(); ++part) {
            CHECK(distance(found.parts[part], wanted[part]) < kMlpTolerance<T>);
        }
        mlp.add_gradient(c.direction.data(), found.view);
        for (std::size_t part = 0; part < wanted.size(); ++part) {
            auto twice = wanted[part];
            for (Real& value : twice) value *= 2;
            CHECK(distance(found.parts[part], twice) < kMlpTolerance<T>);
        }
    }
}

TEST_CASE_TEMPLATE("Two steps with and without momentum are those of the formulas", T, float, double) {
    const T rate = T(0.125);
    for (const T momentum : {T(0), T(0.5)}) {
        for (Case<T>& c : cases<T>()) {
            CAPTURE(c.n);
            CAPTURE(momentum);
            for (T& d : c.direction) d /= static_cast<T>(c.n);
            Case<T> plain = c;  // its parameters follow the formulas, in T between the steps
            OwnParameters<T> velocity(c.sizes, T(0));
            std::vector<reference::Vector> v;
            Mlp<T> mlp = c.engine(2);
            for (int step = 0; step < 2; ++step) {
                mlp.forward(c.n, c.points());
                if (momentum == 0) {
                    mlp.step(c.direction.data(), rate);
                } else {
                    mlp.step(c.direction.data(), rate, momentum, velocity.view);
                }
                const auto g = plain.gradient();
                if (step == 0) v.resize(g.size());
                for (std::size_t part = 0; part < g.size(); ++part) {
                    v[part].resize(g[part].size());
                    auto& theta = part % 2 == 0 ? plain.weights[part / 2] : plain.biases[part / 2];
                    for (std::size_t i = 0; i < theta.size(); ++i) {
                        v[part][i] = static_cast<Real>(momentum) * v[part][i] + g[part][i];
                        theta[i] = static_cast<T>(static_cast<Real>(theta[i]) + static_cast<Real>(rate) * v[part][i]);
                    }
                    const auto& found = part % 2 == 0 ? c.weights[part / 2] : c.biases[part / 2];
                    CHECK(distance(found, reference::Vector(theta.begin(), theta.end())) < kMlpTolerance<T>);
                    if (momentum != 0) CHECK(distance(velocity.parts[part], v[part]) < kMlpTolerance<T>);
                }
            }
        }
    }
}

TEST_CASE_TEMPLATE("Every activation and its slope, also far out and in tails of a vector", T, float, double) {
    std::vector<T> x;
    for (int i = -403; i <= 403; ++i) x.push_back(static_cast<T>(i) / T(32) + T(0.001));
    for (const T far : {T(-80), T(-30), T(30), T(80)}) x.push_back(far);
    const double eps = std::is_same_v<T, float> ? 6e-8 : 1.1e-16;
    for (const reference::Map& map : reference::maps()) {
        CAPTURE(map.name);
        const Nonlinearity sigma(map.name, map.parameters);
        std::vector<T> value(x.size());
        std::vector<T> slope(x.size(), T(1));
        sigma.value<T>(1, x.size(), {x.data(), x.size()}, {value.data(), x.size()});
        sigma.multiply_slope<T>(1, x.size(), {x.data(), x.size()}, {slope.data(), x.size()}, T(1));
        testing::Largest values;
        testing::Largest slopes;
        for (std::size_t i = 0; i < x.size(); ++i) {
            const Real at = static_cast<Real>(x[i]);
            const Real v = map.value(at);
            const Real s = map.slope(at);
            if (std::fabs(s) > Real(1e30)) continue;
            // an argument that is rounded moves the value by its slope
            const Real room = 1 + std::fabs(v) + std::fabs(at * s);
            values.add(static_cast<double>(std::fabs(static_cast<Real>(value[i]) - v) / room));
            const Real h = Real(1e-6) * (1 + std::fabs(at));
            const Real bend = std::fabs(map.slope(at + h) - map.slope(at - h)) / (2 * h);
            slopes.add(static_cast<double>(std::fabs(static_cast<Real>(slope[i]) - s) /
                                           (1 + std::fabs(s) + std::fabs(at * bend))));
        }
        CHECK(values.value() < 12 * eps);
        CHECK(slopes.value() < 12 * eps);
    }
}

TEST_CASE("The slopes of the reference are the differences of its values") {
    for (const reference::Map& map : reference::maps()) {
        CAPTURE(map.name);
        for (const Real x : {-2.3L, -0.4L, 0.3L, 0.9L, 2.2L}) {
            const Real h = 1e-6L;
            const Real difference = (map.value(x + h) - map.value(x - h)) / (2 * h);
            CHECK(static_cast<double>(std::fabs(difference - map.slope(x))) <
                  1e-9 * (1 + static_cast<double>(std::fabs(difference))));
        }
    }
}

TEST_CASE("The gradient is the difference of the loss") {
    for (const reference::Map& map : reference::maps()) {
        CAPTURE(map.name);
        Case<double> c({3, 6, 5, 2}, 3, map.name, 11);
        Mlp<double> mlp = c.engine(1);
        mlp.forward(c.n, c.points());
        OwnParameters<double> found(c.sizes, 0);
        mlp.gradient(c.direction.data(), found.view);
        const auto loss = [&](std::vector<reference::Layer> layers, std::size_t part, std::size_t i, Real h) {
            (part % 2 == 0 ? layers[part / 2].weight : layers[part / 2].bias)[i] += h;
            Real sum = 0;
            for (std::size_t p = 0; p < c.n; ++p) {
                const auto f = reference::preactivations(layers, c.sigma, c.point(p)).back();
                const auto d = c.direction_at(p);
                for (std::size_t k = 0; k < f.size(); ++k) sum += d[k] * f[k];
            }
            return sum;
        };
        for (std::size_t part = 0; part < found.parts.size(); ++part) {
            for (std::size_t i = 0; i < found.parts[part].size(); i += 3) {
                const Real h = 1e-6L;
                const Real difference = (loss(c.layers(), part, i, h) - loss(c.layers(), part, i, -h)) / (2 * h);
                CHECK(found.parts[part][i] == doctest::Approx(static_cast<double>(difference)).epsilon(1e-9));
            }
        }
    }
}

TEST_CASE_TEMPLATE("Slopes at kinks are PyTorch's", T, float, double) {
    const auto slope = [](const std::string& name, const std::vector<double>& parameters, T at) {
        T out = 1;
        Nonlinearity(name, parameters).multiply_slope<T>(1, 1, {&at, 1}, {&out, 1}, T(1));
        return out;
    };
    CHECK(slope("ab_relu", {0, 1}, 0) == 0);
    CHECK(slope("ab_relu", {0.25, 1}, 0) == T(0.25));
    CHECK(slope("ab_relu", {-1, 1}, 0) == 0);
    CHECK(slope("ab_relu", {1, 1}, 0) == 1);
    CHECK(slope("rectified_monomial", {1}, 0) == 0);
    CHECK(slope("elu", {0.5}, 0) == T(0.5));
    for (const T end : {T(-1), T(1)}) CHECK(slope("hard_tanh", {}, end) == 0);
    for (const T end : {T(0), T(6)}) CHECK(slope("relu6", {}, end) == 0);
    for (const T end : {T(-3), T(3)}) CHECK(slope("hard_sigmoid", {}, end) == 0);
}

TEST_CASE_TEMPLATE("NaN comes out where it went in", T, float, double) {
    for (const reference::Map& map : reference::maps()) {
        CAPTURE(map.name);
        const T x = std::numeric_limits<T>::quiet_NaN();
        T out = 0;
        Nonlinearity(map.name, map.parameters).value<T>(1, 1, {&x, 1}, {&out, 1});
        CHECK(std::isnan(out));
    }
}

TEST_CASE_TEMPLATE("A foreign activation is used like a known one, and may throw", T, float, double) {
    Case<T> c({3, 9, 8, 2}, 7, "tanh");
    Case<T> own = c;
    bool fail = false;
    const Function value = [&](const double* x, std::size_t n, double* y) {
        if (fail) throw std::runtime_error("no");
        for (std::size_t i = 0; i < n; ++i) y[i] = std::tanh(x[i]);
    };
    const Function slope = [](const double* x, std::size_t n, double* y) {
        for (std::size_t i = 0; i < n; ++i) y[i] = 1 / (std::cosh(x[i]) * std::cosh(x[i]));
    };
    Mlp<T> known = c.engine(1);
    Mlp<T> foreign(Mlp<T>(own.engine(1)).layers(), {Nonlinearity(value, slope), Nonlinearity(value, slope)}, 2);
    for (Mlp<T>* mlp : {&known, &foreign}) {
        mlp->forward(c.n, c.points());
        mlp->step(c.direction.data(), T(0.125));
    }
    for (std::size_t l = 0; l < c.depth(); ++l) {
        CHECK(distance(own.weights[l], reference::Vector(c.weights[l].begin(), c.weights[l].end())) < kMlpTolerance<T>);
    }
    fail = true;
    CHECK_THROWS_AS(foreign.forward(c.n, c.points()), std::runtime_error);
    CHECK(foreign.points() == 0);
}

TEST_CASE("What is no network is refused") {
    double w[4] = {};
    double b[2] = {};
    const Dense<double> layer{w, b, 2, 2, 1, 0};
    const Dense<double> other{w, b, 1, 2, 1, 0};
    CHECK_THROWS_AS(Mlp<double>({}, {}, 1), std::invalid_argument);
    CHECK_THROWS_AS(Mlp<double>({layer, layer}, {}, 1), std::invalid_argument);
    CHECK_THROWS_AS(Mlp<double>({layer, other}, {Nonlinearity("tanh", {})}, 1), std::invalid_argument);
    CHECK_THROWS_AS(Nonlinearity("step", {0, 1}), std::invalid_argument);
    CHECK_THROWS_AS(Nonlinearity("tanhh", {}), std::invalid_argument);
    CHECK_THROWS_AS(Nonlinearity("elu", {}), std::invalid_argument);
}

}  // namespace
}  // namespace ntkcore
