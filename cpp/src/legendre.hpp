// Gauss–Legendre quadrature with 32 nodes on [−1, 1], and what the values at its nodes say of a polynomial.
#pragma once

#include <cmath>
#include <cstddef>

namespace ntkcore {

struct Legendre {
    static constexpr std::size_t kNodes = 32;
    static constexpr std::size_t kTop = 4;

    double node[kNodes];
    double weight[kNodes];
    // Row i < 32: values ↦ derivative at node i. Rows 32 … 35: values ↦ the orthonormal Legendre coefficients 28 … 31,
    // which are rounding errors if the function is resolved.
    double matrix[kNodes + kTop][kNodes];

    [[nodiscard]] static const Legendre& rule() {
        static const Legendre made;
        return made;
    }

   private:
    Legendre() {
        using Real = long double;
        constexpr std::size_t n = kNodes;
        const Real pi = std::acos(Real(-1));
        Real x[n];
        Real slope[n];  // P_n'
        for (std::size_t i = 0; i < n; ++i) {
            x[i] = -std::cos(pi * (Real(i) + Real(0.75)) / (Real(n) + Real(0.5)));
            for (int step = 0; step < 8; ++step) {
                Real before = 1;
                Real p = x[i];
                for (std::size_t k = 1; k < n; ++k) {
                    const Real next = (Real(2 * k + 1) * x[i] * p - Real(k) * before) / Real(k + 1);
                    before = p;
                    p = next;
                }
                slope[i] = Real(n) * (before - x[i] * p) / (1 - x[i] * x[i]);
                x[i] -= p / slope[i];
            }
            node[i] = static_cast<double>(x[i]);
            weight[i] = static_cast<double>(2 / ((1 - x[i] * x[i]) * slope[i] * slope[i]));
        }
        for (std::size_t i = 0; i < n; ++i) {  // the derivative of the interpolating polynomial
            for (std::size_t j = 0; j < n; ++j) {
                matrix[i][j] =
                    static_cast<double>(i == j ? x[i] / (1 - x[i] * x[i]) : slope[i] / slope[j] / (x[i] - x[j]));
            }
        }
        for (std::size_t j = 0; j < n; ++j) {
            Real before = 1;
            Real p = x[j];
            for (std::size_t k = 1; k < n; ++k) {  // p = P_k
                if (k + kTop >= n) {
                    const std::size_t row = n + (k + kTop - n);
                    matrix[row][j] = static_cast<double>(std::sqrt(Real(k) + Real(0.5)) * p) * weight[j];
                }
                const Real next = (Real(2 * k + 1) * x[j] * p - Real(k) * before) / Real(k + 1);
                before = p;
                p = next;
            }
        }
    }
};

}  // namespace ntkcore
