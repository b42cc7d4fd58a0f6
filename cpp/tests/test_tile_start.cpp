// The start of the recursion and products of the features, on every instruction set.
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "cases.hpp"
#include "isas.hpp"
#include "ntkcore/aligned.hpp"
#include "reference.hpp"
#include "tile/kernels.hpp"

namespace ntkcore {
namespace {

using reference::Real;
using testing::on_each_isa;
using tile::kColumnStep;
using tile::kPanel;

template <class T>
constexpr double kEpsilon = std::numeric_limits<T>::epsilon();
template <class T>
constexpr T kUntouched = T(-99);

// The angle of a pair, which every u stands for: u = 1 − cos φ, or −(1 + cos φ) with its sign bit set.
Real angle(double u) {
    const Real half = Real(std::fabs(u)) / 2;
    const Real acute = reference::acos(1 - 2 * half);
    return std::signbit(u) ? reference::kPi - acute : acute;
}

// Columns that the tests work on: all, and parts whose ends are multiples of the step.
const std::vector<std::pair<std::size_t, std::size_t>> kRanges = {
    {0, kPanel}, {0, kColumnStep}, {kColumnStep, 5 * kColumnStep}, {kPanel - kColumnStep, kPanel}, {32, 32}};

// One row and a panel of columns, as unit vectors: at random, and nearly and exactly parallel and opposite to the row.
struct Directions {
    std::vector<double> row;
    std::vector<std::vector<double>> columns;
};

Directions directions(std::size_t features, std::uint64_t seed) {
    testing::Random random(seed);
    const auto unit = [](std::vector<double> x) {
        double norm = 0;
        for (const double value : x) norm += value * value;
        for (double& value : x) value /= std::sqrt(norm);
        return x;
    };
    Directions result{unit(random.normal<double>(features)), {}};
    for (std::size_t j = 0; j < kPanel; ++j) {
        std::vector<double> column = random.normal<double>(features);
        const double distance = j % 5 == 0 ? 0.0 : std::pow(10.0, -static_cast<double>(j % 17));
        for (std::size_t k = 0; k < features; ++k) {
            if (j % 3 == 1) column[k] = result.row[k] + distance * column[k];
            if (j % 3 == 2) column[k] = -result.row[k] + distance * column[k];
        }
        result.columns.push_back(unit(column));
    }
    return result;
}

// The angle between two vectors of numbers of T, which need not be of length 1 to the last bit.
template <class T>
Real angle_between(std::size_t features, const T* x, std::size_t x_stride, const T* y, std::size_t y_stride) {
    Real minus = 0;
    Real plus = 0;
    for (std::size_t k = 0; k < features; ++k) {
        const Real d = Real(x[k * x_stride]) - Real(y[k * y_stride]);
        const Real s = Real(x[k * x_stride]) + Real(y[k * y_stride]);
        minus += d * d;
        plus += s * s;
    }
    const Real ratio = (plus - minus) / (plus + minus);
    return reference::acos(ratio > 1 ? Real(1) : (ratio < -1 ? Real(-1) : ratio));
}

double gap(Real a, Real b) { return static_cast<double>(a < b ? b - a : a - b); }

template <class T>
void check_untouched(const Aligned<T>& values, std::size_t begin, std::size_t end) {
    for (std::size_t j = 0; j < values.size(); ++j) {
        if (j < begin || j >= end) REQUIRE(values[j] == kUntouched<T>);
    }
}

// ρ belongs to u, and nothing is written beside them.
template <class T>
void check_correlations(const Aligned<T>& u, const Aligned<T>& rho, std::size_t begin, std::size_t end) {
    for (std::size_t j = begin; j < end; ++j) REQUIRE(rho[j] == (std::signbit(u[j]) ? -(1 + u[j]) : 1 - u[j]));
    check_untouched(u, begin, end);
    check_untouched(rho, begin, end);
}

TEST_CASE_TEMPLATE("start_direct finds every angle to the precision of the features", T, float, double) {
    on_each_isa<T>([](const tile::Kernels<T>& kernels) {
        for (const std::size_t features : {1U, 2U, 4U, 5U, 24U}) {
            CAPTURE(features);
            const Directions data = directions(features, 51);
            Aligned<T> row(features * kPanel), columns(features * kPanel);
            constexpr std::size_t kRow = 77;
            for (std::size_t k = 0; k < features; ++k) {
                row[k * kPanel + kRow] = static_cast<T>(data.row[k] * std::sqrt(0.5));
                for (std::size_t j = 0; j < kPanel; ++j) {
                    columns[k * kPanel + j] = static_cast<T>(data.columns[j][k] * std::sqrt(0.5));
                }
            }
            for (const auto& [begin, end] : kRanges) {
                Aligned<T> u(kPanel, kUntouched<T>), rho(kPanel, kUntouched<T>);
                kernels.start_direct({row.data(), kRow, columns.data(), features, begin, end, u.data(), rho.data()});
                testing::Largest worst;
                for (std::size_t j = begin; j < end; ++j) {
                    const Real want = angle_between(features, row.data() + kRow, kPanel, columns.data() + j, kPanel);
                    worst.add(gap(angle(static_cast<double>(u[j])), want));
                }
                CHECK(worst.value() < 4 * kEpsilon<T>);
                check_correlations(u, rho, begin, end);
            }
            // equal columns give zero exactly, opposite ones minus zero
            Aligned<T> u(kPanel);
            kernels.start_direct({columns.data(), 5, columns.data(), features, 0, kPanel, u.data(), nullptr});
            CHECK(u[5] == T(0));
            CHECK_FALSE(std::signbit(u[5]));
            for (std::size_t k = 0; k < features; ++k) columns[k * kPanel + 9] = -columns[k * kPanel + 5];
            kernels.start_direct({columns.data(), 5, columns.data(), features, 0, kPanel, u.data(), nullptr});
            CHECK(u[9] == T(0));
            CHECK(std::signbit(u[9]));
        }
    });
}

// What start_product reads, made from unit vectors less a centre.
template <class T>
struct Centred {
    std::size_t stride;
    Aligned<T> row, columns, centre, half_norms, products;
    T half_norm;

    Centred(const Directions& data, std::size_t features, double centre_size)
        : stride((features + kColumnStep - 1) / kColumnStep * kColumnStep),
          row(stride),
          columns(kPanel * stride),
          centre(stride),
          half_norms(kPanel),
          products(kPanel) {
        const auto half_square = [&](const T* x) {
            double sum = 0;
            for (std::size_t k = 0; k < features; ++k) sum += static_cast<double>(x[k]) * static_cast<double>(x[k]);
            return static_cast<T>(sum / 2);
        };
        for (std::size_t k = 0; k < features; ++k) {
            centre[k] = static_cast<T>(centre_size * data.row[k]);
            row[k] = static_cast<T>(data.row[k] - static_cast<double>(centre[k]));
        }
        half_norm = half_square(row.data());
        for (std::size_t j = 0; j < kPanel; ++j) {
            T* const column = columns.data() + j * stride;
            double product = 0;
            for (std::size_t k = 0; k < features; ++k) {
                column[k] = static_cast<T>(data.columns[j][k] - static_cast<double>(centre[k]));
                product += static_cast<double>(row[k]) * static_cast<double>(column[k]);
            }
            products[j] = static_cast<T>(product);
            half_norms[j] = half_square(column);
        }
    }
};

TEST_CASE_TEMPLATE("start_product finds every angle, from the features where the product has lost digits", T, float,
                   double) {
    on_each_isa<T>([](const tile::Kernels<T>& kernels) {
        for (const std::size_t features : {25U, 32U, 100U}) {
            for (const double centre_size : {0.0, 0.5, 0.999}) {
                CAPTURE(features);
                CAPTURE(centre_size);
                const Directions data = directions(features, 52);
                const Centred<T> of(data, features, centre_size);
                for (const auto& [begin, end] : kRanges) {
                    Aligned<T> u(kPanel, kUntouched<T>), rho(kPanel, kUntouched<T>);
                    kernels.start_product({of.products.data(), of.half_norm, of.half_norms.data(), of.row.data(),
                                           of.columns.data(), of.centre.data(), of.stride, kPanel, begin, end, u.data(),
                                           rho.data()});
                    testing::Largest worst;
                    for (std::size_t j = begin; j < end; ++j) {
                        std::vector<double> x(features), y(features);
                        for (std::size_t k = 0; k < features; ++k) {
                            const auto c = static_cast<double>(of.centre[k]);
                            x[k] = static_cast<double>(of.row[k]) + c;
                            y[k] = static_cast<double>(of.columns[j * of.stride + k]) + c;
                        }
                        const Real want = angle_between(features, x.data(), 1, y.data(), 1);
                        worst.add(gap(angle(static_cast<double>(u[j])), want));
                    }
                    CHECK(worst.value() < 16 * kEpsilon<T>);
                    check_correlations(u, rho, begin, end);
                }
            }
        }
    });
}

TEST_CASE_TEMPLATE("Padding columns of start_product are not looked up", T, float, double) {
    on_each_isa<T>([](const tile::Kernels<T>& kernels) {
        const std::size_t columns = 3;  // of the sixteen that are processed; there are no features of the others
        Aligned<T> row(32, T(0.1)), matrix(columns * 32, T(0.1)), centre(32), half_norms(kPanel), products(kPanel),
            u(kPanel);
        kernels.start_product({products.data(), T(0.16), half_norms.data(), row.data(), matrix.data(), centre.data(),
                               32, columns, 0, kColumnStep, u.data(), nullptr});
        for (std::size_t j = 0; j < columns; ++j) CHECK(u[j] == doctest::Approx(0.16));
    });
}

TEST_CASE_TEMPLATE("product agrees with plain loops", T, float, double) {
    on_each_isa<T>([](const tile::Kernels<T>& kernels) {
        constexpr std::size_t kStrip = tile::kStrip<T>;
        testing::Random random(53);
        for (const std::size_t features : {1U, 25U, 128U, 129U, 300U}) {
            CAPTURE(features);
            const std::size_t samples = 320;
            const auto packed = random.normal<T>(samples * features);
            const auto at = [&](std::size_t i, std::size_t k) {
                return static_cast<double>(packed[(i / kStrip * features + k) * kStrip + i % kStrip]);
            };
            for (const auto& [i0, i1] : {std::pair{0, 64}, std::pair{8, 16}, std::pair{64, 128}}) {
                for (const auto& [j0, j1] : {std::pair{0, 256}, std::pair{32, 64}, std::pair{64, 320}}) {
                    const auto rows = static_cast<std::size_t>(i1 - i0);
                    const auto cols = static_cast<std::size_t>(j1 - j0);
                    const auto first_row = static_cast<std::size_t>(i0);
                    const auto first_col = static_cast<std::size_t>(j0);
                    constexpr std::size_t kStride = tile::kTileStride<T>;
                    Aligned<T> result(rows * kStride, kUntouched<T>);
                    kernels.product({packed.data(), packed.data(), features, first_row, first_row + rows, first_col,
                                     first_col + cols, result.data()});
                    testing::Largest worst;
                    for (std::size_t i = 0; i < rows; ++i) {
                        for (std::size_t j = 0; j < kStride; ++j) {
                            const auto got = static_cast<double>(result[i * kStride + j]);
                            if (j >= cols) {
                                REQUIRE(result[i * kStride + j] == kUntouched<T>);
                                continue;
                            }
                            double sum = 0;
                            double size = 0;
                            for (std::size_t k = 0; k < features; ++k) {
                                const double term = at(first_row + i, k) * at(first_col + j, k);
                                sum += term;
                                size += std::fabs(term);
                            }
                            worst.add(std::fabs(got - sum) / size);
                        }
                    }
                    CHECK(worst.value() < 8 * kEpsilon<T>);
                }
            }
        }
    });
}

}  // namespace
}  // namespace ntkcore
