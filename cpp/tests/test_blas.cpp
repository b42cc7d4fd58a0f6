#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "cases.hpp"
#include "ntkcore/blas.hpp"

namespace ntkcore {

TEST_CASE_TEMPLATE("The product agrees with three loops and stays within its block", T, float, double) {
    constexpr T kUntouched = T(-99);
    testing::Random random(1);
    for (const std::size_t m : {1U, 2U, 7U, 64U, 65U}) {
        for (const std::size_t n : {1U, 3U, 16U, 255U, 256U}) {
            for (const std::size_t k : {1U, 2U, 31U, 100U}) {
                CAPTURE(m);
                CAPTURE(n);
                CAPTURE(k);
                const std::size_t lda = k + 3;
                const std::size_t ldb = k + 5;
                const std::size_t ldc = n + 2;
                const auto a = random.normal<T>(m * lda);
                const auto b = random.normal<T>(n * ldb);
                std::vector<T> c(m * ldc, kUntouched);
                gemm_nt(m, n, k, a.data(), lda, b.data(), ldb, c.data(), ldc);
                testing::Largest worst;
                for (std::size_t i = 0; i < m; ++i) {
                    for (std::size_t j = 0; j < n; ++j) {
                        double sum = 0;
                        double size = 0;
                        for (std::size_t l = 0; l < k; ++l) {
                            const double term =
                                static_cast<double>(a[i * lda + l]) * static_cast<double>(b[j * ldb + l]);
                            sum += term;
                            size += std::fabs(term);
                        }
                        worst.add(std::fabs(static_cast<double>(c[i * ldc + j]) - sum) / size);
                    }
                    for (std::size_t j = n; j < ldc; ++j) REQUIRE(c[i * ldc + j] == kUntouched);
                }
                CHECK(worst.value() < static_cast<double>(k + 2) * std::numeric_limits<T>::epsilon());
            }
        }
    }
}

TEST_CASE("The library says what it is") {
    CHECK_FALSE(blas_config().empty());
    CHECK_FALSE(blas_core().empty());
}

}  // namespace ntkcore
