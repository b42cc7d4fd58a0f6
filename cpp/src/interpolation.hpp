// Interpolation at Chebyshev's nodes of [0, 1], by powers.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

namespace ntkcore::detail {

// Polynomials through the values at Chebyshev's nodes of [0, 1].
class Interpolation {
   public:
    explicit Interpolation(std::size_t n) : nodes_(n), cosines_(n * n), powers_(n * n) {
        const auto count = static_cast<double>(n);
        for (std::size_t j = 0; j < n; ++j) {
            const double angle = std::numbers::pi * (static_cast<double>(j) + 0.5) / count;
            nodes_[j] = 0.5 + 0.5 * std::cos(angle);
            for (std::size_t k = 0; k < n; ++k) {
                cosines_[k * n + j] = (k == 0 ? 1.0 : 2.0) / count * std::cos(static_cast<double>(k) * angle);
            }
        }
        // T_k(2s − 1) in powers of s
        const auto power = [&](std::size_t k, std::size_t p) -> double& { return powers_[k * n + p]; };
        power(0, 0) = 1;
        for (std::size_t k = 1; k < n; ++k) {
            for (std::size_t p = 0; p < n; ++p) {
                const double times = (p > 0 ? 2 * power(k - 1, p - 1) : 0.0) - power(k - 1, p);
                power(k, p) = k == 1 ? times : 2 * times - power(k - 2, p);
            }
        }
    }
    [[nodiscard]] const std::vector<double>& nodes() const { return nodes_; }
    // Coefficients of (s·width)^p. By way of Chebyshev's, which fall off: powers of larger terms would show the
    // rounding errors of each other.
    void fit(const double* values, double width, double* coefficients) const {
        const std::size_t n = nodes_.size();
        std::fill_n(coefficients, n, 0.0);
        for (std::size_t k = 0; k < n; ++k) {
            double term = 0.0;
            for (std::size_t j = 0; j < n; ++j) term += cosines_[k * n + j] * (values[j] - values[n / 2]);
            for (std::size_t p = 0; p <= k; ++p) coefficients[p] += term * powers_[k * n + p];
        }
        coefficients[0] += values[n / 2];
        double scale = 1.0;
        for (std::size_t p = 0; p < n; ++p, scale /= width) coefficients[p] *= scale;
    }

   private:
    std::vector<double> nodes_, cosines_, powers_;
};

}  // namespace ntkcore::detail
