#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bind.hpp"
#include "function.hpp"
#include "ntkcore/gram.hpp"
#include "numpy.hpp"
#include "poll.hpp"

namespace ntkcore::python {
namespace {

template <class T>
bool gram_of(const Network& network, const py::array& x, const std::optional<py::array>& z, bool all_levels,
             const py::object& sigma, const py::object& sigma_dot, const py::object& theta, int threads,
             const py::object& progress, Report* report) {
    const MatrixView<const T> xs = input<T>(x);
    const MatrixView<const T> zs = z ? input<T>(*z) : xs;
    const Outputs<T> out{levels<T>(sigma), levels<T>(sigma_dot), levels<T>(theta)};
    const Poll poll = make_poll(progress);
    const py::gil_scoped_release no_gil;
    return gram<T>(network, xs, z ? &zs : nullptr, all_levels ? Levels::all : Levels::last, out, threads, &poll,
                   report);
}

void fill(const py::dict& to, const Report& report) {
    py::list bounds;
    for (const ErrorBound& bound : report.bounds) {
        bounds.append(py::make_tuple(bound.sigma, bound.sigma_dot, bound.theta));
    }
    to["bounds"] = bounds;
    to["degrees"] = report.degrees;
    to["capped"] = report.capped;
}

template <class T>
bool diagonal_of(const Network& network, const py::array& x, const py::object& sigma, const py::object& theta,
                 int threads) {
    const MatrixView<const T> xs = input<T>(x);
    T* sigma_data = vector_data<T>(sigma);
    T* theta_data = vector_data<T>(theta);
    const py::gil_scoped_release no_gil;
    return gram_diagonal<T>(network, xs, sigma_data, theta_data, threads);
}

}  // namespace

void bind_gram(py::module_& m) {
    py::class_<Network>(m, "Network", "Affine maps (weight_std, bias_std) and activations (family, parameters).")
        .def(
            py::init([](const std::vector<std::pair<double, double>>& affine,
                        const std::vector<std::pair<std::string, std::vector<double>>>& activations,
                        const std::vector<py::object>& functions, double rtol, const std::vector<std::string>& titles) {
                Network network;
                for (const auto& [weight_std, bias_std] : affine) network.affine.push_back({weight_std, bias_std});
                for (const auto& [name, parameters] : activations) {
                    const std::size_t layer = network.activation.size();
                    network.activation.push_back(
                        {family(name), parameters, nullptr, layer < titles.size() ? titles[layer] : ""});
                    if (layer >= functions.size() || functions[layer].is_none()) continue;
                    // of an expansion the parameters are the breakpoints; equal layers share it
                    std::shared_ptr<const Expandable>& expandable = network.activation.back().expandable;
                    for (std::size_t like = 0; like < layer && expandable == nullptr; ++like) {
                        const Activation& other = network.activation[like];
                        if (functions[like].is(functions[layer]) && other.parameters == parameters) {
                            expandable = other.expandable;
                        }
                    }
                    if (expandable == nullptr) {
                        expandable = std::make_shared<const Expandable>(
                            Expandable{function(functions[layer]), parameters, rtol, make_single_expansions()});
                    }
                }
                network.validate();
                return network;
            }),
            py::arg("affine"), py::arg("activations"), py::arg("functions") = py::list(), py::arg("rtol") = 0.0,
            py::arg("titles") = py::list())
        .def_property_readonly("depth", &Network::depth);

    m.def(
        "gram",
        [](const Network& network, const py::array& x, const std::optional<py::array>& z, bool all_levels,
           const py::object& sigma, const py::object& sigma_dot, const py::object& theta, int threads,
           const py::object& progress, const std::optional<py::dict>& report) {
            const auto call = is<float>(x) ? gram_of<float> : gram_of<double>;
            Report found;
            const bool clipped =
                call(network, x, z, all_levels, sigma, sigma_dot, theta, threads, progress, report ? &found : nullptr);
            if (report) fill(*report, found);
            return clipped;
        },
        py::arg("network"), py::arg("x"), py::arg("z"), py::kw_only(), py::arg("all_levels"), py::arg("sigma"),
        py::arg("sigma_dot"), py::arg("theta"), py::arg("threads"), py::arg("progress") = py::none(),
        py::arg("report") = py::none(),
        "Write the wanted kernels into the given (levels, N, M) arrays; return whether an entry was clipped.");

    m.def(
        "gram_diagonal",
        [](const Network& network, const py::array& x, const py::object& sigma, const py::object& theta, int threads) {
            const auto call = is<float>(x) ? diagonal_of<float> : diagonal_of<double>;
            return call(network, x, sigma, theta, threads);
        },
        py::arg("network"), py::arg("x"), py::kw_only(), py::arg("sigma"), py::arg("theta"), py::arg("threads"),
        "Write the wanted diagonals into the given vectors; return whether an entry was clipped.");
}

}  // namespace ntkcore::python
