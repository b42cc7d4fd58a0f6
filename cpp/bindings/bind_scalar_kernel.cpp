#include <pybind11/stl.h>

#include <string>

#include "bind.hpp"
#include "ntkcore/scalar_kernel.hpp"
#include "numpy.hpp"

namespace ntkcore::python {
namespace {

Kernel kernel_named(const std::string& name) {
    if (name == "sigma") return Kernel::sigma;
    if (name == "sigma_dot") return Kernel::sigma_dot;
    if (name == "theta") return Kernel::theta;
    throw py::value_error("an unknown kernel");
}

using Vector = py::array_t<double, py::array::c_style>;

// f(angles, n, result) of a vector
template <class F>
Vector mapped(const Vector& angles, F f) {
    Vector result(angles.size());
    const double* from = angles.data();
    double* to = result.mutable_data();
    const auto n = static_cast<std::size_t>(angles.size());
    const py::gil_scoped_release no_gil;
    f(from, n, to);
    return result;
}

}  // namespace

void bind_scalar_kernel(py::module_& m) {
    py::class_<ScalarKernel>(m, "ScalarKernel", "The kernels of a network on a sphere, |x|²/n0 = mean_square.")
        .def(py::init<const Network&, double, bool>(), py::arg("network"), py::arg("mean_square"), py::arg("slopes"),
             py::call_guard<py::gil_scoped_release>())
        .def_property_readonly("variance", &ScalarKernel::variance)
        .def_property_readonly("bend", &ScalarKernel::bend)
        .def_property_readonly("share", &ScalarKernel::share)
        .def_property_readonly("capped", &ScalarKernel::capped)
        .def_property_readonly("degree", &ScalarKernel::degree)
        .def_property_readonly("error_bound",
                               [](const ScalarKernel& self) {
                                   const ErrorBound& bound = self.error_bound();
                                   return py::make_tuple(bound.sigma, bound.sigma_dot, bound.theta);
                               })
        .def(
            "diagonal",
            [](const ScalarKernel& self, const std::string& kernel) { return self.diagonal(kernel_named(kernel)); },
            py::arg("kernel"))
        .def(
            "coefficients",
            [](const ScalarKernel& self, const std::string& kernel) { return self.coefficients(kernel_named(kernel)); },
            py::arg("kernel"))
        .def(
            "first_angles",
            [](const ScalarKernel& self, const Vector& angles) {
                return mapped(angles,
                              [&](const double* from, std::size_t n, double* to) { self.first_angles(from, n, to); });
            },
            py::arg("angles"))
        .def(
            "evaluate",
            [](const ScalarKernel& self, const std::string& name, const Vector& angles) {
                const Kernel kernel = kernel_named(name);
                return mapped(
                    angles, [&](const double* from, std::size_t n, double* to) { self.evaluate(kernel, from, n, to); });
            },
            py::arg("kernel"), py::arg("angles"));
}

}  // namespace ntkcore::python
