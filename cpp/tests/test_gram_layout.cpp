// Where kernel matrices are read from and written to: strides of every kind, any selection of kernels, exact symmetry.
#include <doctest/doctest.h>

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "cases.hpp"
#include "kernels.hpp"
#include "ntkcore/gram.hpp"

namespace ntkcore {
namespace {

using testing::draw;
using testing::engine;
using testing::hard_rows;
using testing::same_bits;
using testing::uniform_network;

const Network kNetwork = uniform_network(3, testing::ab_relu(0, 1), 1.0, 0.1);

// A matrix that lives somewhere in a larger block of memory.
template <class T>
class Embedded {
   public:
    static constexpr T kUntouched = T(-77);

    // Layouts: row by row with gaps, every other column, column by column, backwards in both directions.
    static constexpr int kLayouts = 4;
    Embedded(int layout, std::size_t n, std::size_t m) : memory_(4 * (n + 3) * (m + 3), kUntouched) {
        const auto rows = static_cast<std::ptrdiff_t>(n);
        const auto cols = static_cast<std::ptrdiff_t>(m);
        view_ = {memory_.data() + 5, n, m, cols + 3, 1};
        if (layout == 1) view_ = {memory_.data() + 5, n, m, 2 * cols + 1, 2};
        if (layout == 2) view_ = {memory_.data() + 5, n, m, 1, rows + 2};
        if (layout == 3) view_ = {memory_.data() + memory_.size() - 6, n, m, -(cols + 1), -1};
    }
    [[nodiscard]] const MatrixView<T>& view() const { return view_; }
    // The matrix, taken out: what is left must be untouched.
    [[nodiscard]] std::vector<T> take() {
        std::vector<T> matrix;
        for (std::size_t i = 0; i < view_.rows; ++i) {
            for (std::size_t j = 0; j < view_.cols; ++j) matrix.push_back(std::exchange(view_(i, j), kUntouched));
        }
        return matrix;
    }
    [[nodiscard]] bool untouched() const {
        for (const T value : memory_) {
            if (value != kUntouched) return false;
        }
        return true;
    }

   private:
    std::vector<T> memory_;
    MatrixView<T> view_;
};

TEST_CASE_TEMPLATE("Outputs of any strides get the same bits, and nothing is written beside them", T, float, double) {
    for (const std::size_t features : {3U, 40U}) {
        const auto x = draw(hard_rows<T>(features, 21), 300, 1);
        const auto z = draw(hard_rows<T>(features, 22), 70, 2);
        for (const bool symmetric : {true, false}) {
            const auto cols = symmetric ? std::nullopt : std::optional(z.rows.view());
            const std::size_t m = symmetric ? 300 : 70;
            for (const Levels levels : {Levels::last, Levels::all}) {
                const auto plain = engine<T>(kNetwork, x.rows.view(), cols, levels);
                for (int layout = 0; layout < Embedded<T>::kLayouts; ++layout) {
                    CAPTURE(features);
                    CAPTURE(symmetric);
                    CAPTURE(layout);
                    std::vector<Embedded<T>> sigma, theta;
                    Outputs<T> out;
                    for (std::size_t level = 0; level < plain.kernels[0].size(); ++level) {
                        sigma.emplace_back(layout, 300, m);
                        theta.emplace_back(layout, 300, m);
                    }
                    for (const auto& matrix : sigma) out.sigma.push_back(matrix.view());
                    for (const auto& matrix : theta) out.theta.push_back(matrix.view());
                    CHECK_FALSE(gram(kNetwork, x.rows.view(), cols ? &*cols : nullptr, levels, out, 2, nullptr));
                    for (std::size_t level = 0; level < sigma.size(); ++level) {
                        CHECK(same_bits(sigma[level].take(), plain.kernels[0][level]));
                        CHECK(same_bits(theta[level].take(), plain.kernels[2][level]));
                        CHECK(sigma[level].untouched());
                        CHECK(theta[level].untouched());
                    }
                }
            }
        }
    }
}

TEST_CASE_TEMPLATE("Inputs of any strides give the same bits", T, float, double) {
    for (const std::size_t features : {1U, 3U, 40U}) {
        const auto x = draw(hard_rows<T>(features, 23), 100, 1);
        const auto plain = engine<T>(kNetwork, x.rows.view(), std::nullopt, Levels::last);
        const auto crossed = engine<T>(kNetwork, x.rows.view(), x.rows.view(), Levels::last);
        for (int layout = 0; layout < Embedded<T>::kLayouts; ++layout) {
            CAPTURE(features);
            CAPTURE(layout);
            const Embedded<T> embedded(layout, 100, features);
            for (std::size_t i = 0; i < 100; ++i) {
                for (std::size_t k = 0; k < features; ++k) embedded.view()(i, k) = x.rows.view()(i, k);
            }
            const MatrixView<const T> view = embedded.view();
            CHECK(same_bits(engine<T>(kNetwork, view, std::nullopt, Levels::last), plain));
            CHECK(same_bits(engine<T>(kNetwork, x.rows.view(), view, Levels::last), crossed));
        }
        // one row, repeated by a stride of zero
        const MatrixView<const T> repeated{x.rows.values.data(), 20, features, 0, 1};
        const auto constant = engine<T>(kNetwork, repeated, repeated, Levels::last);
        for (const T entry : constant.kernels[2][0]) CHECK(entry == constant.kernels[2][0][0]);
    }
}

TEST_CASE_TEMPLATE("Any selection of kernels gives the same bits as all of them", T, float, double) {
    for (const std::size_t features : {3U, 40U}) {
        for (const std::size_t n : {40U, 800U}) {  // 800² entries: the three kernels do not fit in a cache, one does
            const auto x = draw(hard_rows<T>(features, 24), n, 1);
            for (const Levels levels : {Levels::last, Levels::all}) {
                const auto every = engine<T>(kNetwork, x.rows.view(), std::nullopt, levels);
                for (unsigned wanted = 0; wanted < testing::kAllKernels; ++wanted) {
                    CAPTURE(features);
                    CAPTURE(n);
                    CAPTURE(wanted);
                    const auto some = engine<T>(kNetwork, x.rows.view(), std::nullopt, levels, 2, wanted);
                    for (std::size_t k = 0; k < 3; ++k) {
                        for (std::size_t level = 0; level < some.kernels[k].size(); ++level) {
                            CHECK(same_bits(some.kernels[k][level], every.kernels[k][level]));
                        }
                    }
                }
            }
        }
    }
}

TEST_CASE_TEMPLATE("Symmetric to the last bit, with the diagonal of gram_diagonal", T, float, double) {
    for (const std::size_t features : {1U, 3U, 40U}) {
        for (const std::size_t n : {1U, 2U, 255U, 257U, 800U}) {
            CAPTURE(features);
            CAPTURE(n);
            const auto x = draw(hard_rows<T>(features, 25), n, n);
            const auto all = engine<T>(kNetwork, x.rows.view(), std::nullopt, Levels::last);
            std::vector<T> sigma(n), theta(n);
            CHECK_FALSE(gram_diagonal<T>(kNetwork, x.rows.view(), sigma.data(), theta.data(), 2));
            for (const std::size_t k : {0U, 1U, 2U}) {
                const std::vector<T>& matrix = all.kernels[k][0];
                bool symmetric = true;
                for (std::size_t i = 0; i < n; ++i) {
                    for (std::size_t j = 0; j < i; ++j) symmetric &= matrix[i * n + j] == matrix[j * n + i];
                }
                CHECK(symmetric);
            }
            for (std::size_t i = 0; i < n; ++i) {
                REQUIRE(all.kernels[0][0][i * n + i] == sigma[i]);
                REQUIRE(all.kernels[2][0][i * n + i] == theta[i]);
            }
            std::vector<T> alone(n);
            CHECK_FALSE(gram_diagonal<T>(kNetwork, x.rows.view(), nullptr, alone.data(), 1));
            CHECK(same_bits(alone, theta));
        }
    }
}

TEST_CASE("What does not fit together is refused before anything is written") {
    std::vector<double> data(12, 1.0);
    std::vector<double> result(9, -1.0);
    const MatrixView<const double> x{data.data(), 3, 4, 4, 1};
    const MatrixView<const double> narrow{data.data(), 3, 3, 4, 1};
    const MatrixView<const double> none{data.data(), 3, 0, 4, 1};
    const MatrixView<double> good{result.data(), 3, 3, 3, 1};
    const MatrixView<double> small{result.data(), 2, 3, 3, 1};
    const Outputs<double> fits{{good}, {}, {}};
    const auto refused = [&](const Network& network, const MatrixView<const double>& rows,
                             const MatrixView<const double>* cols, Levels levels, const Outputs<double>& out) {
        CHECK_THROWS_AS(gram(network, rows, cols, levels, out, 1, nullptr), std::invalid_argument);
    };
    refused(kNetwork, x, &narrow, Levels::last, fits);
    refused(kNetwork, none, nullptr, Levels::last, fits);
    refused(kNetwork, x, nullptr, Levels::last, {{small}, {}, {}});
    refused(kNetwork, x, nullptr, Levels::last, {{}, {}, {small}});
    refused(kNetwork, x, nullptr, Levels::last, {{good, good}, {}, {}});
    refused(kNetwork, x, nullptr, Levels::all, fits);
    refused({}, x, nullptr, Levels::last, fits);
    Network unfinished = kNetwork;
    unfinished.activation.pop_back();
    refused(unfinished, x, nullptr, Levels::last, fits);
    CHECK_THROWS_AS(gram_diagonal<double>(unfinished, x, result.data(), nullptr, 1), std::invalid_argument);
    CHECK_THROWS_AS(gram_diagonal<double>(kNetwork, none, result.data(), nullptr, 1), std::invalid_argument);
    for (const double entry : result) CHECK(entry == -1.0);
}

}  // namespace
}  // namespace ntkcore
