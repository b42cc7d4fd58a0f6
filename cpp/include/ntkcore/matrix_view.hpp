// A strided view of somebody else's matrix. Nothing here owns memory.
#pragma once

#include <cstddef>
#include <type_traits>

namespace ntkcore {

template <class T>
struct MatrixView {
    T* data = nullptr;
    std::size_t rows = 0;
    std::size_t cols = 0;
    std::ptrdiff_t row_stride = 0;  // in elements, any sign
    std::ptrdiff_t col_stride = 1;  // in elements, any sign

    [[nodiscard]] T* row(std::size_t i) const { return data + static_cast<std::ptrdiff_t>(i) * row_stride; }
    [[nodiscard]] T& operator()(std::size_t i, std::size_t j) const {
        return row(i)[static_cast<std::ptrdiff_t>(j) * col_stride];
    }
    [[nodiscard]] bool contiguous_rows() const { return col_stride == 1; }
    [[nodiscard]] bool empty() const { return data == nullptr || rows == 0 || cols == 0; }

    // A view of T converts to a view of const T, like a pointer.
    operator MatrixView<const T>() const
        requires(!std::is_const_v<T>)
    {
        return {data, rows, cols, row_stride, col_stride};
    }
};

}  // namespace ntkcore
