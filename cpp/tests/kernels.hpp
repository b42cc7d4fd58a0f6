// Kernel matrices of the engine and of the reference, and the distance between them.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "cases.hpp"
#include "ntkcore/gram.hpp"
#include "reference.hpp"

namespace ntkcore::testing {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::array<const char*, 3> kKernelNames = {"sigma", "sigma_dot", "theta"};

// Results of the engine: Σ, Σ̇ and Θ, per wanted level a contiguous matrix; unwanted kernels have no levels.
template <class T>
struct Result {
    std::size_t rows = 0, cols = 0;
    std::array<std::vector<std::vector<T>>, 3> kernels;
    bool clipped = false;

    Result(std::size_t n, std::size_t m, std::size_t levels, unsigned wanted) : rows(n), cols(m) {
        for (unsigned k = 0; k < 3; ++k) {
            if ((wanted >> k & 1U) == 0) continue;
            kernels[k].assign(levels, std::vector<T>(n * m, std::numeric_limits<T>::quiet_NaN()));
        }
    }
    [[nodiscard]] Outputs<T> outputs() {
        Outputs<T> out;
        const std::array views = {&out.sigma, &out.sigma_dot, &out.theta};
        for (unsigned k = 0; k < 3; ++k) {
            for (std::vector<T>& level : kernels[k]) {
                views[k]->push_back({level.data(), rows, cols, static_cast<std::ptrdiff_t>(cols), 1});
            }
        }
        return out;
    }
};

constexpr unsigned kAllKernels = 7;  // bit k: kernel k is wanted

template <class T>
Result<T> engine(const Network& network, MatrixView<const T> x, std::optional<MatrixView<const T>> z, Levels levels,
                 int threads = 2, unsigned wanted = kAllKernels, const Poll* poll = nullptr) {
    Result<T> result(x.rows, z ? z->rows : x.rows, levels == Levels::all ? network.depth() : 1, wanted);
    result.clipped = gram(network, x, z ? &*z : nullptr, levels, result.outputs(), threads, poll);
    return result;
}

// The reference for every pair of a few rows, at every depth: high + low is the exact value, and scale is 1/√(K_ii
// K_jj).
struct Exact {
    double high, low, scale;
};

template <class T>
class Table {
   public:
    Table(const Network& network, const Rows<T>& rows) : rows_(rows.count) {
        std::vector<std::vector<double>> row;
        std::vector<std::vector<reference::Real>> variance;
        std::vector<std::vector<reference::Entry>> entries;
        for (std::size_t i = 0; i < rows_; ++i) {
            row.push_back(rows.row(i));
            variance.push_back(reference::variances(network, row[i]));
            for (std::size_t j = 0; j <= i; ++j) {
                entries.push_back(reference::kernels(network, row[i], variance[i], row[j], variance[j]));
            }
        }
        exact_.resize(network.depth() * 3 * rows_ * rows_);
        for (std::size_t level = 0; level < network.depth(); ++level) {
            for (std::size_t k = 0; k < 3; ++k) {
                const auto value = [&](std::size_t i, std::size_t j) {
                    const reference::Entry& entry = entries[i * (i + 1) / 2 + j][level];
                    return k == 0 ? entry.sigma : (k == 1 ? entry.sigma_dot : entry.theta);
                };
                for (std::size_t i = 0; i < rows_; ++i) {
                    for (std::size_t j = 0; j <= i; ++j) {
                        const reference::Real size = reference::sqrt(value(i, i) * value(j, j));
                        const auto high = static_cast<double>(value(i, j));
                        const auto low = static_cast<double>(value(i, j) - reference::Real(high));
                        const double scale = size == 0 ? kInfinity : static_cast<double>(1 / size);
                        at(level, k, i, j) = at(level, k, j, i) = {high, low, scale};
                    }
                }
            }
        }
    }
    [[nodiscard]] const Exact& operator()(std::size_t level, std::size_t kernel, std::size_t i, std::size_t j) const {
        return exact_[((level * 3 + kernel) * rows_ + i) * rows_ + j];
    }

   private:
    Exact& at(std::size_t level, std::size_t kernel, std::size_t i, std::size_t j) {
        return exact_[((level * 3 + kernel) * rows_ + i) * rows_ + j];
    }
    std::size_t rows_;
    std::vector<Exact> exact_;
};

struct Worst {
    double error = 0;
    std::string where;
};

// The largest |K_ij − exact| / √(K_ii K_jj) of all kernels, levels and entries; entries that underflow may be 0, those
// with K_ii K_jj = 0 must be, and NaN counts as infinitely wrong. Row i of the result is row of_row[i] of the table.
template <class T>
Worst compare(const Result<T>& result, const Table<T>& table, const std::vector<std::size_t>& of_row,
              const std::vector<std::size_t>& of_col, std::size_t depth) {
    constexpr double kSmallest = std::numeric_limits<T>::min();
    Worst worst;
    for (std::size_t k = 0; k < 3; ++k) {
        const std::size_t levels = result.kernels[k].size();
        for (std::size_t l = 0; l < levels; ++l) {
            const std::size_t level = levels == depth ? l : depth - 1;
            for (std::size_t i = 0; i < result.rows; ++i) {
                for (std::size_t j = 0; j < result.cols; ++j) {
                    const Exact& exact = table(level, k, of_row[i], of_col[j]);
                    const auto got = static_cast<double>(result.kernels[k][l][i * result.cols + j]);
                    const double gap = std::fabs(got - exact.high - exact.low);
                    double error = gap == 0 || gap < kSmallest ? 0 : gap * exact.scale;
                    if (std::isnan(error)) error = kInfinity;
                    if (error > worst.error) {
                        std::ostringstream where;
                        where << kKernelNames[k] << " of depth " << level + 1 << " [" << i << ", " << j << "] = " << got
                              << ", of the rows " << of_row[i] << " and " << of_col[j];
                        worst = {error, where.str()};
                    }
                }
            }
        }
    }
    return worst;
}

template <class T>
void check_against(const Result<T>& result, const Table<T>& table, const std::vector<std::size_t>& of_row,
                   const std::vector<std::size_t>& of_col, std::size_t depth, double tolerance = kTolerance<T>) {
    const Worst worst = compare(result, table, of_row, of_col, depth);
    INFO("largest error " << worst.error << " at " << worst.where);
    CHECK(worst.error <= tolerance);
    CHECK_FALSE(result.clipped);
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

template <class T>
bool same_bits(const Result<T>& a, const Result<T>& b) {
    bool same = a.rows == b.rows && a.cols == b.cols && a.clipped == b.clipped;
    for (std::size_t k = 0; k < 3; ++k) {
        same = same && a.kernels[k].size() == b.kernels[k].size();
        for (std::size_t l = 0; same && l < a.kernels[k].size(); ++l)
            same = same_bits(a.kernels[k][l], b.kernels[k][l]);
    }
    return same;
}

}  // namespace ntkcore::testing
