// One function per concept; module.cpp lists them.
#pragma once

#include <pybind11/pybind11.h>

namespace ntkcore::python {

void bind_build_info(pybind11::module_& m);
void bind_gram(pybind11::module_& m);
void bind_mlp(pybind11::module_& m);
void bind_scalar_kernel(pybind11::module_& m);

}  // namespace ntkcore::python
