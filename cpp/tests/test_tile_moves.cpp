// Rows of samples, stores, transposition and copies, on every instruction set.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "cases.hpp"
#include "isas.hpp"
#include "ntkcore/aligned.hpp"
#include "tile/kernels.hpp"

namespace ntkcore {
namespace {

using testing::on_each_isa;
using tile::kPanel;

template <class T>
constexpr T kUntouched = T(-99);

template <class T>
void check_untouched(const Aligned<T>& values, std::size_t begin, std::size_t end) {
    for (std::size_t j = 0; j < values.size(); ++j) {
        if (j < begin || j >= end) REQUIRE(values[j] == kUntouched<T>);
    }
}

TEST_CASE_TEMPLATE("Loops over the features of a sample", T, float, double) {
    on_each_isa<T>([](const tile::Kernels<T>& kernels) {
        testing::Random random(57);
        const double up = 0x1p40;
        const double down = 3e-13;
        for (std::size_t n = 0; n < 70; ++n) {
            CAPTURE(n);
            const auto x = random.normal<T>(n);
            const auto centre = random.normal<double>(n);
            auto totals = random.normal<double>(n);
            auto sums = totals;
            std::vector<T> centred(n + 1, kUntouched<T>);
            T largest = 0;
            double squares = 0;
            for (std::size_t k = 0; k < n; ++k) {
                const double y = static_cast<double>(x[k]) * up * down;
                largest = std::max(largest, std::fabs(x[k]));
                squares += y * y;
                totals[k] += y;
            }
            CHECK(kernels.rows.largest(n, x.data()) == largest);
            CHECK(kernels.rows.square_sum(n, x.data(), up, down) == doctest::Approx(squares).epsilon(1e-14));
            kernels.rows.accumulate(n, x.data(), up, down, sums.data());
            kernels.rows.centred(n, x.data(), up, down, centre.data(), centred.data());
            for (std::size_t k = 0; k < n; ++k) {
                const double y = static_cast<double>(x[k]) * up * down;
                REQUIRE(sums[k] == doctest::Approx(totals[k]).epsilon(1e-14));
                REQUIRE(std::fabs(static_cast<double>(centred[k]) - (y - centre[k])) <=
                        std::numeric_limits<T>::epsilon() * (1 + std::fabs(centre[k])));
            }
            CHECK(centred[n] == kUntouched<T>);
        }
    });
}

TEST_CASE_TEMPLATE("store_sigma and store_theta", T, float, double) {
    on_each_isa<T>([](const tile::Kernels<T>& kernels) {
        testing::Random random(54);
        Aligned<T> u(kPanel), theta(kPanel), scale(kPanel);
        for (std::size_t j = 0; j < kPanel; ++j) {
            u[j] = static_cast<T>(random.uniform() * (j % 2 == 0 ? 1 : -1));
            theta[j] = static_cast<T>(random.normal());
            scale[j] = static_cast<T>(random.uniform() + 0.5);
        }
        u[3] = T(-0.0);
        u[4] = T(0.0);
        const auto rho = [&](std::size_t j) { return std::signbit(u[j]) ? -(1 + u[j]) : 1 - u[j]; };
        const T row = T(1.25);
        for (std::size_t first = 0; first < 40; ++first) {
            for (const std::size_t last : {first, first + 1, first + 7, first + 16, std::size_t{255}, kPanel}) {
                Aligned<T> sigma(kPanel, kUntouched<T>), kernel(kPanel, kUntouched<T>);
                kernels.store_sigma({first, last, u.data(), row, scale.data(), sigma.data()});
                kernels.store_theta({first, last, theta.data(), row, scale.data(), kernel.data()});
                for (std::size_t j = first; j < last; ++j) {
                    REQUIRE(sigma[j] == rho(j) * (row * scale[j]));
                    REQUIRE(kernel[j] == theta[j] * (row * scale[j]));
                }
                check_untouched(sigma, first, last);
                check_untouched(kernel, first, last);
            }
        }
    });
}

TEST_CASE_TEMPLATE("transpose, of any shape", T, float, double) {
    on_each_isa<T>([](const tile::Kernels<T>& kernels) {
        testing::Random random(55);
        const auto in = random.normal<T>(260 * 260);
        for (const std::size_t m : {0U, 1U, 3U, 8U, 15U, 16U, 17U, 33U, 64U, 255U}) {
            for (const std::size_t n : {0U, 1U, 2U, 7U, 8U, 16U, 19U, 32U, 256U}) {
                CAPTURE(m);
                CAPTURE(n);
                std::vector<T> out((n + 1) * 258, kUntouched<T>);
                kernels.transpose(m, n, in.data(), 259, out.data() + 1, 257);
                bool right = true;
                std::size_t written = 0;
                for (std::size_t j = 0; j < n; ++j) {
                    for (std::size_t i = 0; i < m; ++i) right &= out[1 + j * 257 + i] == in[i * 259 + j];
                }
                for (const T value : out) written += value != kUntouched<T> ? 1 : 0;
                CHECK(right);
                CHECK(written == m * n);
            }
        }
    });
}

TEST_CASE_TEMPLATE("copy, to and from every alignment", T, float, double) {
    on_each_isa<T>([](const tile::Kernels<T>& kernels) {
        testing::Random random(56);
        const auto in = random.normal<T>(400);
        for (const bool past_cache : {false, true}) {
            for (std::size_t offset = 0; offset <= 64 / sizeof(T); ++offset) {
                for (const std::size_t n : {0U, 1U, 2U, 7U, 8U, 15U, 16U, 17U, 31U, 33U, 63U, 64U, 65U, 130U, 256U}) {
                    CAPTURE(past_cache);
                    CAPTURE(offset);
                    CAPTURE(n);
                    Aligned<T> out(400, kUntouched<T>);
                    const T* const from = in.data() + offset % 5;
                    kernels.copy(n, from, out.data() + offset, past_cache);
                    kernels.finish_copies();
                    REQUIRE(std::equal(from, from + n, out.data() + offset));
                    check_untouched(out, offset, offset + n);
                }
            }
        }
    });
}

TEST_CASE("Instruction sets are found by name, and the baseline is always there") {
    CHECK(tile::find_isa("baseline") != nullptr);
    CHECK(tile::find_isa("no such") == nullptr);
    CHECK(tile::find_isa(tile::isa().name) == &tile::isa());
    CHECK(&tile::kernels<float>() == tile::isa().f32);
    CHECK(&tile::kernels<double>() == tile::isa().f64);
}

}  // namespace
}  // namespace ntkcore
