// A Python callable as a function of the engine: it gets and returns a one-dimensional float64 array.
#pragma once

#include <pybind11/pybind11.h>

#include <algorithm>
#include <memory>

#include "ntkcore/expansion.hpp"
#include "numpy.hpp"

namespace ntkcore::python {

[[nodiscard]] inline Function function(const py::object& callable) {
    // Copies of the result share the object: only its last owner, a Python object, touches the reference count.
    const std::shared_ptr<const py::object> shared(new py::object(callable), [](const py::object* object) {
        const py::gil_scoped_acquire gil;
        delete object;
    });
    return [shared](const double* x, std::size_t n, double* y) {
        const py::gil_scoped_acquire gil;
        const auto size = static_cast<py::ssize_t>(n);
        py::array_t<double> points(size);
        std::copy_n(x, n, points.mutable_data());
        const auto values = py::cast<py::array_t<double, py::array::c_style | py::array::forcecast>>((*shared)(points));
        if (values.ndim() != 1 || values.shape(0) != size)
            throw py::value_error("the activation changed the shape of its argument");
        std::copy_n(values.data(), n, y);
    };
}

}  // namespace ntkcore::python
