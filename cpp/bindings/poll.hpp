// Long calls run without the GIL; now and then they take it back to look for Ctrl-C and to report progress.
#pragma once

#include <pybind11/pybind11.h>

#include "ntkcore/parallel.hpp"

namespace ntkcore::python {

namespace py = pybind11;

// `progress` is None or a callable(done, total). The result must not outlive it.
[[nodiscard]] inline Poll make_poll(const py::object& progress) {
    return [&progress](std::size_t done, std::size_t total) {
        const py::gil_scoped_acquire gil;
        if (PyErr_CheckSignals() != 0) throw py::error_already_set();
        if (!progress.is_none()) progress(done, total);
    };
}

}  // namespace ntkcore::python
