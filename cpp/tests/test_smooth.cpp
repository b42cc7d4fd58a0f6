// Smooth layers on Σ and Θ: the formulas on every instruction set, and when they are used.
#include "smooth.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "cases.hpp"
#include "isas.hpp"
#include "kernels.hpp"
#include "ntkcore/aligned.hpp"
#include "pairs.hpp"

namespace ntkcore {
namespace {

using testing::on_each_isa;
using testing::Rows;
using tile::SmoothCall;
using tile::SmoothKind;
using Real = long double;

template <class T>
constexpr double kEpsilon = std::numeric_limits<T>::epsilon();

// E[σσ'] and its derivative in s, but for the factors of a call.
struct Dual {
    Real value, slope;
};

template <class T>
Dual dual(const SmoothCall<T>& call, Real s, Real q, Real p) {
    const Real half_pi = std::acos(Real(0));
    if (call.kind == SmoothKind::sinusoid) {
        const Real c = Real(0.5) * Real(call.square) * (q + p);
        const Real near = Real(call.weight) * std::exp(-c + Real(call.square) * s);
        const Real far = Real(call.far_weight) * std::exp(-c - Real(call.square) * s);
        return {near + far, Real(call.square) * (near - far)};
    }
    if (call.kind == SmoothKind::erf) {  // g² = 2/(1 + 2q)
        const Real d = (1 + 2 * q) * (1 + 2 * p);
        return {Real(call.weight) * std::asin(2 * s / std::sqrt(d)), Real(call.weight) * 2 / std::sqrt(d - 4 * s * s)};
    }
    const Real d = (1 + q) * (1 + p);
    const Real x = std::asin(s / std::sqrt(d));
    const Real rest = d - s * s;
    const Real top = q * p + s * s * (1 - q * p) / d;
    const Real slope = half_pi + x + (s + 2 * s * (1 - q * p) / d + top * s / rest) / std::sqrt(rest);
    return {Real(call.weight) * (s * (half_pi + x) + top / std::sqrt(rest)), Real(call.weight) * slope};
}

TEST_CASE_TEMPLATE("Smooth layers follow their formulas", T, float, double) {
    constexpr std::size_t n = tile::kPanel;
    on_each_isa<T>([&](const tile::Kernels<T>& kernels) {
        for (const SmoothKind kind : {SmoothKind::erf, SmoothKind::gelu, SmoothKind::sinusoid}) {
            for (const double far : {0.0, -0.8, 0.8, 0.3}) {
                // of the row, and the largest of the columns: every range of the series
                for (const auto& [row_q, most_q] : {std::pair{1e-30, 4.0},
                                                    {0.3, 0.1},
                                                    {0.3, 0.5},
                                                    {0.39, 0.41},
                                                    {0.3, 1.0},
                                                    {0.79, 0.81},
                                                    {0.3, 4.0},
                                                    {1.6, 1.6},
                                                    {3.0, 1.0},
                                                    {3.0, 4.0}}) {
                    for (const int mode : {0, 1, 2, 3}) {
                        const bool with_theta = mode % 2 == 0;
                        const bool nonnegative = mode >= 2;
                        if (kind != SmoothKind::sinusoid && far != 0.0) continue;
                        if (nonnegative && (kind != SmoothKind::sinusoid || far != 0.0)) continue;
                        CAPTURE(static_cast<int>(kind));
                        CAPTURE(far);
                        CAPTURE(row_q);
                        CAPTURE(most_q);
                        CAPTURE(with_theta);
                        CAPTURE(nonnegative);
                        testing::Random random(5);
                        SmoothCall<T> call{};
                        call.kind = kind;
                        call.begin = 16;
                        call.end = n - 32;
                        call.weight = T(0.8);
                        call.far_weight = static_cast<T>(far);
                        call.odd = call.weight - call.far_weight;
                        call.even = call.weight + call.far_weight;
                        call.square = T(1.3);
                        call.bias = T(0.25);
                        call.nonnegative = nonnegative;
                        std::vector<double> q(n + 1, row_q);
                        Aligned<T> tables(3 * n), row(3), sigma(n, T(7)), theta(n, T(7));
                        for (std::size_t j = 0; j < n; ++j)
                            q[j] = j % 5 == 0 ? std::fmin(row_q, most_q) : most_q * random.uniform();
                        const auto tabulate = [&](double variance, T& first, T& second, T& third) {
                            const double square = call.square;
                            if (kind == SmoothKind::sinusoid) {
                                first = static_cast<T>(0.5 * square * variance);
                                second = static_cast<T>(std::exp(-square * variance));
                                third = static_cast<T>(std::exp(-0.5 * square * variance));
                                return static_cast<T>(square * variance);
                            }
                            const double scale = kind == SmoothKind::erf ? 2.0 : 1.0;
                            const double g2 = scale / (1.0 + scale * variance);
                            first = static_cast<T>(std::sqrt(g2));
                            second = static_cast<T>(variance);
                            return static_cast<T>(g2 * variance);
                        };
                        for (std::size_t j = 0; j < n; ++j) {
                            call.most =
                                std::fmax(call.most, tabulate(q[j], tables[j], tables[n + j], tables[2 * n + j]));
                        }
                        tabulate(row_q, row[0], row[1], row[2]);
                        call.columns = tables.data();
                        call.stride = n;
                        call.row = row.data();
                        call.row_stride = 1;
                        call.sigma = sigma.data();
                        call.theta = with_theta ? theta.data() : nullptr;
                        std::vector<T> before(n);
                        for (std::size_t j = call.begin; j < call.end; ++j) {
                            double rho = j % 7 == 0 ? (j % 2 == 0 ? 1.0 : -1.0) : 2 * random.uniform() - 1;
                            if (nonnegative) rho = j % 11 == 0 ? 0.0 : std::fabs(rho);
                            sigma[j] = before[j] = static_cast<T>(rho * std::sqrt(row_q * q[j]));
                            theta[j] = 2 * before[j];
                        }
                        kernels.smooth(call);
                        testing::Largest sigmas, thetas;
                        for (std::size_t j = 0; j < n; ++j) {
                            if (j < call.begin || j >= call.end) {
                                REQUIRE(sigma[j] == T(7));
                                REQUIRE(theta[j] == T(7));
                                continue;
                            }
                            const Dual of = dual(call, Real(before[j]), Real(row_q), Real(q[j]));
                            const Real next = of.value + Real(call.bias);
                            sigmas.add(static_cast<double>(std::fabs(Real(sigma[j]) - next)));
                            const Real right = with_theta ? 2 * Real(before[j]) * of.slope + next : 2 * Real(before[j]);
                            thetas.add(static_cast<double>(std::fabs(Real(theta[j]) - right)) /
                                       (1.0 + 2.0 * std::fabs(before[j])));
                        }
                        CHECK(sigmas.value() < 12 * kEpsilon<T>);
                        CHECK(thetas.value() < 24 * kEpsilon<T>);
                    }
                }
            }
        }
    });
}

TEST_CASE_TEMPLATE("Smooth layers start with the inner products", T, float, double) {
    constexpr std::size_t n = tile::kPanel;
    constexpr T kUntouched = 7;
    on_each_isa<T>([&](const tile::Kernels<T>& kernels) {
        testing::Random random(8);
        for (const std::size_t features : {1, 2, 11, 24}) {
            for (const auto& [begin, end] :
                 {std::pair<std::size_t, std::size_t>{0, n}, {16, 16}, {16, 240}, {240, n}}) {
                CAPTURE(features);
                CAPTURE(begin);
                CAPTURE(end);
                Aligned<T> rows(features * n), cols(features * n), scale(n), sigma(n, kUntouched), theta(n, kUntouched),
                    alone(n, kUntouched);
                for (std::size_t k = 0; k < features * n; ++k) {
                    rows[k] = static_cast<T>(2 * random.uniform() - 1);
                    cols[k] = k % n % 5 == 0 ? rows[k] : static_cast<T>(2 * random.uniform() - 1);
                }
                for (T* const panel : {rows.data(), cols.data()}) {  // unit vectors over √2
                    for (std::size_t j = 0; j < n; ++j) {
                        double sum = 0.0;
                        for (std::size_t k = 0; k < features; ++k) sum += std::pow(double{panel[k * n + j]}, 2);
                        for (std::size_t k = 0; k < features; ++k)
                            panel[k * n + j] *= static_cast<T>(std::sqrt(0.5 / sum));
                    }
                }
                for (std::size_t j = 0; j < n; ++j) scale[j] = static_cast<T>(0.1 + random.uniform());
                const std::size_t row = 35;
                tile::SmoothStart<T> call{rows.data(), row,    cols.data(),  features,     begin,
                                          end,         T(1.7), scale.data(), sigma.data(), theta.data()};
                kernels.start_smooth(call);
                call.sigma = alone.data();
                call.theta = nullptr;
                kernels.start_smooth(call);
                for (std::size_t j = 0; j < n; ++j) {
                    Real exact = 0, size = 0;
                    for (std::size_t k = 0; k < features; ++k) {
                        const Real term =
                            Real(rows[k * n + row]) * Real(cols[k * n + j]) * Real(T(1.7)) * Real(scale[j]);
                        exact += term;
                        size += std::fabs(term);
                    }
                    if (j < begin || j >= end) exact = kUntouched;
                    CHECK(static_cast<double>(std::fabs(Real(sigma[j]) - exact)) <=
                          4 * kEpsilon<T> * static_cast<double>(size));
                    CHECK(sigma[j] == theta[j]);
                    CHECK(sigma[j] == alone[j]);
                }
            }
        }
    });
}

template <class T>
bool used(const Network& network, const Rows<T>& rows) {
    return Pairs<T>(network, rows.view(), nullptr, Levels::last, {true, false, true}, 1).uses_smooth();
}

TEST_CASE("Smooth layers are used at moderate variances") {
    Rows<double> rows{0, 2, {}};
    for (const double length : {0.6, 1.0, 1.7}) rows.add({length, -0.5 * length});
    const auto with = [&](std::vector<double> row) {
        Rows<double> more = rows;
        more.add(row);
        return more;
    };
    const Activation sine{Family::sinusoid, {1, 1, 1, 0}, nullptr};
    const std::vector<Activation> smooth = {
        sine, {Family::erf, {1, 1, 0}, nullptr}, {Family::gelu, {}, nullptr}, {Family::rbf, {0.5}, nullptr}};
    for (const Activation& activation : smooth) {
        const Network network = testing::uniform_network(3, activation, 1.0, 0.1);
        CHECK(used(network, rows));
        CHECK(!used(network, with({30.0, 1.0})));
        CHECK(used(network, with({0.0, 0.0})) == (activation.family != Family::sinusoid));  // the bias is its variance
        CHECK(!used(testing::uniform_network(3, activation, 1.0, 0.0), with({0.0, 0.0})));
    }
    CHECK(!used(testing::uniform_network(3, sine, 1.0, 0.0), with({1e-2, 0.0})));
    CHECK(!used(testing::uniform_network(3, testing::ab_relu(0, 1), 1.0, 0.1), rows));
    CHECK(!used(testing::uniform_network(20, sine, 1.0, 0.1), rows));
    const Activation chaotic{Family::rbf, {4.0}, nullptr};
    CHECK(used(testing::uniform_network(2, chaotic, 1.0, 0.1), rows));
    CHECK(!used(testing::uniform_network(6, chaotic, 1.0, 0.1), rows));
}

TEST_CASE("In float the limits are narrower") {
    Rows<float> rows{0, 2, {}};
    for (const double length : {0.3, 0.6, 0.9}) rows.add({length, -0.5 * length});
    Rows<float> tiny = rows, far = rows, many{0, 2, {}};
    tiny.add({1e-6, 0.0});
    far.add({12.0, 1.5});
    testing::Random random(3);
    for (int i = 0; i < 200; ++i) many.add({0.4 * random.uniform(), 0.4 * random.uniform()});
    Rows<float> many_with_far = many;
    many_with_far.add({12.0, 1.5});
    const Activation sine{Family::sinusoid, {1, 1, 1, 0}, nullptr};
    for (const Activation& activation :
         {sine, Activation{Family::sinusoid, {1, 1, 0.6, 0.8}, nullptr}, Activation{Family::erf, {1, 1, 0}, nullptr},
          Activation{Family::gelu, {}, nullptr}, Activation{Family::rbf, {0.5}, nullptr}}) {
        CAPTURE(static_cast<int>(activation.family));
        const Network network = testing::uniform_network(3, activation, 1.0, 0.1);
        CHECK(used(network, rows));
        CHECK(used(network, tiny));
        CHECK(used(network, many));
        CHECK(!used(network, far));
        CHECK(!used(network, many_with_far));
        CHECK(!used(testing::uniform_network(12, activation, 2.0, 0.1), rows));
        CHECK(!used(testing::uniform_network(20, activation, 1.0, 0.1), rows));
    }
    CHECK(used(testing::uniform_network(3, sine, 1.0, 0.0), rows));
    for (const double huge : {1e18, 1e-18}) {  // constants that float does not hold
        CHECK(!used(testing::uniform_network(2, {Family::sinusoid, {1 / huge, huge, 1, 0}, nullptr}, 1.0, 0.1), rows));
    }
    rows.add({2.5, 1.5});
    CHECK(!used(testing::uniform_network(3, sine, 1.0, 0.1), rows));
    CHECK(used(testing::uniform_network(3, {Family::gelu, {}, nullptr}, 1.0, 0.1), rows));
}

const std::vector<Activation> kSmooth = {{Family::sinusoid, {1, 1, 0.6, 0.8}, nullptr},
                                         {Family::erf, {1, 1, 0.2}, nullptr},
                                         {Family::gelu, {}, nullptr},
                                         {Family::rbf, {0.5}, nullptr}};
constexpr unsigned kSigmaAndTheta = 5;  // with Σ̇, layers are those of the tables

TEST_CASE_TEMPLATE("Moments alone, and tables after all where smooth layers are refused", T, float, double) {
    Rows<T> one{0, 2, {}};
    one.add({0.7, 0.4});
    Rows<T> some = one;
    for (const double length : {0.3, 0.6, 0.9}) some.add({length, -0.5 * length});
    Rows<T> with_long = some;
    with_long.add({30.0, 1.0});
    for (const Activation& activation : kSmooth) {
        const Network network = testing::uniform_network(4, activation, 1.0, 0.1);
        CHECK(used(network, some));
        CHECK(!used(network, with_long));
        for (const auto& [x, z] :
             {std::pair{some, some}, {one, some}, {some, one}, {one, with_long}, {with_long, one}, {with_long, some}}) {
            CAPTURE(static_cast<int>(activation.family));
            CAPTURE(x.count);
            CAPTURE(z.count);
            std::array<std::vector<T>, 4> diagonals;
            for (auto& diagonal : diagonals) diagonal.resize(5);
            gram_diagonal<T>(network, x.view(), diagonals[0].data(), diagonals[1].data(), 1);
            gram_diagonal<T>(network, z.view(), diagonals[2].data(), diagonals[3].data(), 1);
            const auto got = testing::engine<T>(network, x.view(), z.view(), Levels::last, 2, kSigmaAndTheta);
            const auto right = testing::engine<T>(network, x.view(), z.view(), Levels::last);
            const auto own = testing::engine<T>(network, x.view(), std::nullopt, Levels::last, 2, kSigmaAndTheta);
            for (const std::size_t k : {0U, 2U}) {
                testing::Largest errors;
                for (std::size_t i = 0; i < x.count; ++i) {
                    CHECK(own.kernels[k][0][i * x.count + i] == diagonals[k / 2][i]);
                    for (std::size_t j = 0; j < z.count; ++j) {
                        const std::size_t at = i * z.count + j;
                        errors.add(std::fabs(got.kernels[k][0][at] - right.kernels[k][0][at]) /
                                   std::sqrt(double{diagonals[k / 2][i]} * double{diagonals[2 + k / 2][j]}));
                    }
                }
                CHECK(errors.value() < 16 * kEpsilon<T>);
            }
        }
    }
}

TEST_CASE_TEMPLATE("Smooth layers have the same bits for every number of threads", T, float, double) {
    testing::Random random(7);
    Rows<T> x{4200, 3, random.normal<T>(4200 * 3)};  // enough samples for several threads
    Rows<T> z{5, 3, random.normal<T>(5 * 3)};
    for (T& value : x.values) value *= T(0.25);
    for (T& value : z.values) value *= T(0.25);
    for (const Activation& activation : kSmooth) {
        const Network network = testing::uniform_network(4, activation, 1.0, 0.3);
        REQUIRE(used(network, x));
        const auto with = [&](int threads) {
            return testing::engine<T>(network, x.view(), z.view(), Levels::last, threads, kSigmaAndTheta);
        };
        const auto alone = with(1);
        for (const int threads : {2, 7}) CHECK(testing::same_bits(with(threads), alone));
    }
}

}  // namespace
}  // namespace ntkcore
