// The table of contents of the native module.
#include <pybind11/pybind11.h>

#include "bind.hpp"

PYBIND11_MODULE(_core, m) {
    m.doc() = "The native engine of ntkcore. Use the package ntkcore: it checks arguments, this module trusts them.";
    ntkcore::python::bind_build_info(m);
    ntkcore::python::bind_gram(m);
}
