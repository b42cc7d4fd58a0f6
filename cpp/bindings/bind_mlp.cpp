#include <pybind11/stl.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "bind.hpp"
#include "function.hpp"
#include "ntkcore/empirical_ntk.hpp"
#include "ntkcore/mlp.hpp"
#include "numpy.hpp"
#include "poll.hpp"

namespace ntkcore::python {
namespace {

using Arrays = std::vector<py::array>;

// The memory of a C-contiguous array of this shape that is written to.
template <class T>
T* contiguous(py::array& array, std::initializer_list<std::size_t> shape) {
    require<T>(array, static_cast<int>(shape.size()));
    int axis = 0;
    for (const std::size_t size : shape) {
        if (static_cast<std::size_t>(array.shape(axis++)) != size)
            throw py::value_error("an array has the wrong shape");
    }
    if ((array.flags() & py::array::c_style) == 0) throw py::value_error("an array is not C-contiguous");
    return static_cast<T*>(array.mutable_data());
}

template <class T>
Rows<const T> rows(const py::array& array, std::size_t cols) {
    const MatrixView<const T> view = input<T>(array);
    if (view.cols != cols) throw py::value_error("an array has the wrong number of columns");
    if ((array.flags() & py::array::c_style) == 0) throw py::value_error("an array is not C-contiguous");
    return {view.data, view.cols};
}

Nonlinearity nonlinearity(const py::object& object) {
    const auto pair = py::cast<py::tuple>(object);
    if (pair.size() != 2) throw py::type_error("an activation is a pair");
    if (py::isinstance<py::str>(pair[0]))
        return {py::cast<std::string>(pair[0]), py::cast<std::vector<double>>(pair[1])};
    return {function(pair[0]), function(pair[1])};
}

// A new array of the wanted dtype, with its memory.
template <class T>
std::pair<py::array, T*> fresh(const std::vector<std::size_t>& shape) {
    py::array_t<T> array(shape);
    T* data = array.mutable_data();
    return {std::move(array), data};
}

template <class T>
py::array copied(Rows<const T> from, std::size_t n, std::size_t cols) {
    auto [array, data] = fresh<T>({n, cols});
    for (std::size_t i = 0; i < n; ++i) std::copy_n(from.at(i, 0), cols, data + i * cols);
    return array;
}

// Mlp<T> with the arrays that it works on.
template <class T>
class Engine {
   public:
    Engine(Arrays weights, Arrays biases, const std::vector<double>& weight_std, const std::vector<double>& bias_std,
           const std::vector<py::object>& activations, int threads)
        : weights_(std::move(weights)),
          biases_(std::move(biases)),
          mlp_(make(weight_std, bias_std, activations, threads)) {}

    py::array forward(const py::array& x, const py::object& progress) {
        const Rows<const T> view = rows<T>(x, mlp_.layers().front().inputs);
        const auto n = static_cast<std::size_t>(x.shape(0));
        const Poll poll = make_poll(progress);
        {
            const py::gil_scoped_release no_gil;
            mlp_.forward(n, view, &poll);
        }
        x_ = x;
        return copied<T>(mlp_.preactivation(mlp_.depth()), n, outputs());
    }

    Arrays preactivations() const {
        Arrays list;
        for (std::size_t l = 1; l <= mlp_.depth(); ++l)
            list.push_back(copied<T>(mlp_.preactivation(l), mlp_.points(), mlp_.layers()[l - 1].outputs));
        return list;
    }

    void step(const py::array& direction, double rate, double momentum, std::optional<Arrays>& velocity_weights,
              std::optional<Arrays>& velocity_biases) {
        const T* d = direction_of(direction);
        if (velocity_weights.has_value() != velocity_biases.has_value())
            throw py::value_error("velocities of weights and biases go together");
        if (!velocity_weights) {
            if (momentum != 0) throw py::value_error("momentum needs velocities");
            const py::gil_scoped_release no_gil;
            return mlp_.step(d, static_cast<T>(rate));
        }
        const Parameters<T> velocity = parameters(*velocity_weights, *velocity_biases);
        const py::gil_scoped_release no_gil;
        mlp_.step(d, static_cast<T>(rate), static_cast<T>(momentum), velocity);
    }

    std::pair<Arrays, Arrays> gradient(const py::array& direction) {
        const T* d = direction_of(direction);
        Arrays weights;
        Arrays biases;
        for (const Dense<T>& layer : mlp_.layers()) {
            weights.push_back(fresh<T>({layer.outputs, layer.inputs}).first);
            biases.push_back(fresh<T>({layer.outputs}).first);
        }
        const Parameters<T> to = parameters(weights, biases);
        {
            const py::gil_scoped_release no_gil;
            mlp_.gradient(d, to);
        }
        return {std::move(weights), std::move(biases)};
    }

    py::array empirical_ntk(const py::array& x, const std::optional<py::array>& z, const std::string& outputs_name,
                            bool per_layer, const py::object& progress, std::size_t memory) const {
        const std::size_t k = outputs();
        NtkCall<T> call;
        call.n = static_cast<std::size_t>(x.shape(0));
        call.x = rows<T>(x, mlp_.layers().front().inputs);
        call.m = call.n;
        if (z) {
            call.m = static_cast<std::size_t>(z->shape(0));
            call.z = rows<T>(*z, mlp_.layers().front().inputs);
        }
        call.outputs = ntk_outputs(outputs_name);
        call.per_layer = per_layer;
        if (memory > 0) call.memory = memory;
        std::vector<std::size_t> shape = {call.n, call.m};
        if (per_layer) shape.insert(shape.begin(), 2 * mlp_.depth());
        if (call.outputs != NtkOutputs::mean) shape.push_back(k);
        if (call.outputs == NtkOutputs::full) shape.push_back(k);
        auto [array, data] = fresh<T>(shape);
        call.out = data;
        const Poll poll = make_poll(progress);
        {
            const py::gil_scoped_release no_gil;
            ntkcore::empirical_ntk(mlp_, call, &poll);
        }
        return array;
    }

    py::array ntk_vector_product(const py::array& x, const py::array& v, const py::object& progress,
                                 std::size_t memory) const {
        const Rows<const T> points = rows<T>(x, mlp_.layers().front().inputs);
        const Rows<const T> vector = rows<T>(v, outputs());
        const auto n = static_cast<std::size_t>(x.shape(0));
        if (v.shape(0) != x.shape(0)) throw py::value_error("X and V have different numbers of points");
        auto [array, data] = fresh<T>({n, outputs()});
        const Poll poll = make_poll(progress);
        {
            const py::gil_scoped_release no_gil;
            ntkcore::ntk_vector_product(mlp_, n, points, vector.data, data, &poll,
                                        memory > 0 ? memory : NtkCall<T>().memory);
        }
        return array;
    }

   private:
    static NtkOutputs ntk_outputs(const std::string& name) {
        if (name == "mean") return NtkOutputs::mean;
        if (name == "full") return NtkOutputs::full;
        if (name == "diagonal") return NtkOutputs::diagonal;
        throw py::value_error("outputs is mean, full or diagonal");
    }

    [[nodiscard]] std::size_t outputs() const { return mlp_.layers().back().outputs; }

    Mlp<T> make(const std::vector<double>& weight_std, const std::vector<double>& bias_std,
                const std::vector<py::object>& activations, int threads) {
        const std::size_t depth = weights_.size();
        if (biases_.size() != depth || weight_std.size() != depth || bias_std.size() != depth)
            throw py::value_error("weights, biases, weight_std and bias_std have different lengths");
        std::vector<Dense<T>> layers;
        for (std::size_t l = 0; l < depth; ++l) {
            require<T>(weights_[l], 2);
            const auto n_out = static_cast<std::size_t>(weights_[l].shape(0));
            const auto n_in = static_cast<std::size_t>(weights_[l].shape(1));
            layers.push_back({contiguous<T>(weights_[l], {n_out, n_in}), contiguous<T>(biases_[l], {n_out}), n_in,
                              n_out, weight_std[l], bias_std[l]});
        }
        std::vector<Nonlinearity> maps;
        for (const py::object& activation : activations) maps.push_back(nonlinearity(activation));
        return {std::move(layers), std::move(maps), threads};
    }

    const T* direction_of(const py::array& direction) const {
        if (mlp_.points() == 0) throw py::value_error("there is no forward pass to go back through");
        const T* data = rows<T>(direction, outputs()).data;
        if (static_cast<std::size_t>(direction.shape(0)) != mlp_.points())
            throw py::value_error("the direction has another number of points than the last forward pass");
        return data;
    }

    Parameters<T> parameters(Arrays& weights, Arrays& biases) const {
        if (weights.size() != mlp_.depth() || biases.size() != mlp_.depth())
            throw py::value_error("one array for every layer");
        Parameters<T> all;
        for (std::size_t l = 0; l < mlp_.depth(); ++l) {
            const Dense<T>& layer = mlp_.layers()[l];
            all.weights.push_back(contiguous<T>(weights[l], {layer.outputs, layer.inputs}));
            all.biases.push_back(contiguous<T>(biases[l], {layer.outputs}));
        }
        return all;
    }

    Arrays weights_, biases_;
    py::object x_ = py::none();  // of the last pass: a step reads it again
    Mlp<T> mlp_;
};

// float32 or float64, as the weights are.
class MLPEngine {
   public:
    MLPEngine(const Arrays& weights, const Arrays& biases, const std::vector<double>& weight_std,
              const std::vector<double>& bias_std, const std::vector<py::object>& activations, int threads) {
        if (weights.empty()) throw py::value_error("a network has at least one layer");
        if (is<float>(weights.front())) {
            engine_ = std::make_unique<Engine<float>>(weights, biases, weight_std, bias_std, activations, threads);
        } else {
            engine_ = std::make_unique<Engine<double>>(weights, biases, weight_std, bias_std, activations, threads);
        }
    }

    // run(engine)
    template <class Run>
    decltype(auto) with(Run run) const {
        return std::visit([&](const auto& engine) -> decltype(auto) { return run(*engine); }, engine_);
    }

   private:
    std::variant<std::unique_ptr<Engine<float>>, std::unique_ptr<Engine<double>>> engine_;
};

}  // namespace

void bind_mlp(py::module_& m) {
    py::class_<MLPEngine>(m, "MLPEngine",
                          "A finite network on somebody else's arrays, which it changes in place. Weights are "
                          "(n_{l+1}, n_l); an activation is (name, parameters) or a pair of callables.")
        .def(py::init<const Arrays&, const Arrays&, const std::vector<double>&, const std::vector<double>&,
                      const std::vector<py::object>&, int>(),
             py::arg("weights"), py::arg("biases"), py::arg("weight_std"), py::arg("bias_std"), py::arg("activations"),
             py::arg("threads"))
        .def(
            "forward",
            [](const MLPEngine& self, const py::array& x, const py::object& progress) {
                return self.with([&](auto& engine) { return engine.forward(x, progress); });
            },
            py::arg("x"), py::arg("progress") = py::none(), "f(X), (N, n_L); what a step needs is kept.")
        .def(
            "preactivations",
            [](const MLPEngine& self) { return self.with([](auto& engine) { return engine.preactivations(); }); },
            "Of the last forward pass: L arrays (N, n_l).")
        .def(
            "step",
            [](const MLPEngine& self, const py::array& direction, double learning_rate, double momentum,
               std::optional<Arrays> velocity_weights, std::optional<Arrays> velocity_biases) {
                self.with([&](auto& engine) {
                    engine.step(direction, learning_rate, momentum, velocity_weights, velocity_biases);
                });
            },
            py::arg("direction"), py::arg("learning_rate"), py::arg("momentum") = 0.0,
            py::arg("velocity_weights") = py::none(), py::arg("velocity_biases") = py::none(),
            "v <- momentum v + g, theta <- theta + learning_rate v with g the gradient of <direction, f> at the last "
            "forward pass; not interruptible.")
        .def(
            "gradient",
            [](const MLPEngine& self, const py::array& direction) {
                return self.with([&](auto& engine) { return engine.gradient(direction); });
            },
            py::arg("direction"), "The gradient of <direction, f> at the last forward pass: lists of dW and db.")
        .def(
            "empirical_ntk",
            [](const MLPEngine& self, const py::array& x, const std::optional<py::array>& z, const std::string& outputs,
               bool per_layer, const py::object& progress, std::size_t memory) {
                return self.with(
                    [&](auto& engine) { return engine.empirical_ntk(x, z, outputs, per_layer, progress, memory); });
            },
            py::arg("x"), py::arg("z") = py::none(), py::arg("outputs") = "mean", py::arg("per_layer") = false,
            py::arg("progress") = py::none(), py::arg("memory") = 0,
            "The NTK: (N, M), (N, M, k, k) or (N, M, k) for outputs mean, full, diagonal; per_layer: a leading axis of "
            "2L, the terms of the weights and of the biases of each layer. memory: bytes for activations held at once, "
            "0 for 640 MiB.")
        .def(
            "ntk_vector_product",
            [](const MLPEngine& self, const py::array& x, const py::array& v, const py::object& progress,
               std::size_t memory) {
                return self.with([&](auto& engine) { return engine.ntk_vector_product(x, v, progress, memory); });
            },
            py::arg("x"), py::arg("v"), py::arg("progress") = py::none(), py::arg("memory") = 0,
            "The NTK times V (N, k), without the matrix.");
}

}  // namespace ntkcore::python
