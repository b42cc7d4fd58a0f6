#include <doctest/doctest.h>

#include <cstddef>
#include <numeric>
#include <type_traits>
#include <vector>

#include "ntkcore/matrix_view.hpp"

namespace ntkcore {

static_assert(std::is_convertible_v<MatrixView<float>, MatrixView<const float>>);
static_assert(!std::is_convertible_v<MatrixView<const float>, MatrixView<float>>);

TEST_CASE("A view finds its elements whatever the strides") {
    std::vector<int> data(60);
    std::iota(data.begin(), data.end(), 0);

    const MatrixView<int> rows{data.data(), 5, 12, 12, 1};
    CHECK(rows(0, 0) == 0);
    CHECK(rows(4, 11) == 59);
    CHECK(rows.row(2) == data.data() + 24);
    CHECK(rows.contiguous_rows());

    const MatrixView<int> transposed{data.data(), 12, 5, 1, 12};
    CHECK(transposed(11, 4) == 59);
    CHECK(transposed(3, 2) == rows(2, 3));
    CHECK_FALSE(transposed.contiguous_rows());

    const MatrixView<int> reversed{data.data() + 59, 5, 12, -12, -1};
    CHECK(reversed(0, 0) == 59);
    CHECK(reversed(4, 11) == 0);
    CHECK(reversed(1, 2) == rows(3, 9));

    const MatrixView<int> every_other{data.data() + 1, 3, 6, 24, 2};
    CHECK(every_other(2, 5) == rows(4, 11));

    const MatrixView<int> repeated{data.data() + 7, 4, 1, 0, 1};
    CHECK(repeated(3, 0) == 7);
}

TEST_CASE("A view writes to its owner's memory, and converts to a reader of it") {
    std::vector<float> data(6, 0.0F);
    const MatrixView<float> view{data.data(), 2, 3, 3, 1};
    const MatrixView<const float> reader = view;
    view(1, 2) = 4.0F;
    CHECK(data[5] == 4.0F);
    CHECK(reader(1, 2) == 4.0F);
    CHECK(reader.rows == 2);
    CHECK(reader.cols == 3);
    CHECK(reader.row_stride == 3);
    CHECK(reader.col_stride == 1);
}

TEST_CASE("A view without elements is empty") {
    float number = 0.0F;
    CHECK(MatrixView<float>{}.empty());
    CHECK(MatrixView<float>{&number, 0, 1, 1, 1}.empty());
    CHECK(MatrixView<float>{&number, 1, 0, 1, 1}.empty());
    CHECK_FALSE(MatrixView<float>{&number, 1, 1, 1, 1}.empty());
}

}  // namespace ntkcore
