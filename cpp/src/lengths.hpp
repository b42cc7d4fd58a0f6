// The lengths of rows, to the eye: Samples look closer.
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>

#include "ntkcore/matrix_view.hpp"

namespace ntkcore {

template <class IO>
double square_sum(const MatrixView<const IO>& x, std::size_t i) {
    double sum = 0.0;
    for (std::size_t k = 0; k < x.cols; ++k) sum += static_cast<double>(x(i, k)) * static_cast<double>(x(i, k));
    return sum;
}

// Whether all rows have the same length; samples may think otherwise.
template <class IO, class... More>
bool equal_lengths(MatrixView<const IO> x, const More&... more) {
    const double first = square_sum(x, 0);
    const auto all = [&](const MatrixView<const IO>& of) {
        for (std::size_t i = 0; i < of.rows; ++i) {
            if (!(std::fabs(square_sum(of, i) - first) <= 4 * std::numeric_limits<IO>::epsilon() * first)) return false;
        }
        return true;
    };
    return all(x) && (all(more) && ...);
}

}  // namespace ntkcore
