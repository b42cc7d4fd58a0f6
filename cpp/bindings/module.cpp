// The table of contents of the native module.
#include <pybind11/pybind11.h>

#include <exception>

#include "bind.hpp"
#include "ntkcore/errors.hpp"

PYBIND11_MODULE(_core, m) {
    m.doc() = "The native engine of ntkcore. Use the package ntkcore: it checks arguments, this module trusts them.";
    pybind11::register_local_exception_translator([](std::exception_ptr error) {
        try {
            if (error) std::rethrow_exception(error);
        } catch (const ntkcore::NumericalError& e) {
            const auto type = pybind11::module_::import("ntkcore.errors").attr("NumericalError");
            PyErr_SetString(type.ptr(), e.what());
        }
    });
    ntkcore::python::bind_build_info(m);
    ntkcore::python::bind_gram(m);
    ntkcore::python::bind_mlp(m);
    ntkcore::python::bind_scalar_kernel(m);
}
