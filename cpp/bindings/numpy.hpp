// The only file that knows NumPy: arrays in, views out. Nothing is copied here; Python has made the dtypes right.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "ntkcore/matrix_view.hpp"

namespace ntkcore::python {

namespace py = pybind11;

template <class T>
[[nodiscard]] inline bool is(const py::array& array) {
    return py::isinstance<py::array_t<T>>(array);
}

template <class T>
[[nodiscard]] inline std::ptrdiff_t stride(const py::array& array, int axis) {
    const auto bytes = array.strides(axis);
    if (bytes % static_cast<py::ssize_t>(sizeof(T)) != 0) throw py::value_error("the strides do not fit the dtype");
    return static_cast<std::ptrdiff_t>(bytes / static_cast<py::ssize_t>(sizeof(T)));
}

template <class T>
inline void require(const py::array& array, int ndim) {
    if (!is<T>(array)) throw py::type_error("an array has the wrong dtype");
    if (array.ndim() != ndim) throw py::value_error("an array has the wrong number of dimensions");
}

template <class T>
[[nodiscard]] inline MatrixView<const T> input(const py::array& array) {
    require<T>(array, 2);
    return {static_cast<const T*>(array.data()), static_cast<std::size_t>(array.shape(0)),
            static_cast<std::size_t>(array.shape(1)), stride<T>(array, 0), stride<T>(array, 1)};
}

// The (levels, N, M) array that results are written to, as one view per level; none for None.
template <class T>
[[nodiscard]] inline std::vector<MatrixView<T>> levels(const py::object& object) {
    std::vector<MatrixView<T>> views;
    if (object.is_none()) return views;
    auto array = py::cast<py::array>(object);
    require<T>(array, 3);
    T* data = static_cast<T*>(array.mutable_data());
    for (py::ssize_t level = 0; level < array.shape(0); ++level) {
        views.push_back({data + level * stride<T>(array, 0), static_cast<std::size_t>(array.shape(1)),
                         static_cast<std::size_t>(array.shape(2)), stride<T>(array, 1), stride<T>(array, 2)});
    }
    return views;
}

template <class T>
[[nodiscard]] inline T* vector_data(const py::object& object) {
    if (object.is_none()) return nullptr;
    auto array = py::cast<py::array>(object);
    require<T>(array, 1);
    return static_cast<T*>(array.mutable_data());
}

}  // namespace ntkcore::python
