// Finite networks in plain loops over long double: slow, and meant to be obviously right.
#pragma once

#include <cmath>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace ntkcore::reference {

using Real = long double;
using Vector = std::vector<Real>;

struct Layer {
    std::size_t inputs, outputs;
    Vector weight, bias;  // outputs × inputs, outputs
    Real weight_std, bias_std;

    [[nodiscard]] Real scale() const { return weight_std / std::sqrt(static_cast<Real>(inputs)); }
};

// σ, and σ' where it is continuous.
struct Map {
    std::string name;
    std::vector<double> parameters;
    std::function<Real(Real)> value, slope;
};

inline Real normal_density(Real x) { return std::exp(-x * x / 2) / std::sqrt(2 * std::acos(Real(-1))); }
inline Real normal_below(Real x) { return std::erfc(-x / std::sqrt(Real(2))) / 2; }

inline const std::vector<Map>& maps() {
    static const Real kPi = std::acos(Real(-1));
    const auto logistic = [](Real x) { return 1 / (1 + std::exp(-x)); };
    const auto gate = [](Real x) { return std::sqrt(8 / kPi) * (x + Real(0.044715) * x * x * x); };
    static const std::vector<Map> all = {
        {"ab_relu", {0.25, 1.0}, [](Real x) { return x > 0 ? x : x / 4; }, [](Real x) { return x > 0 ? 1 : 0.25L; }},
        {"exponential",
         {0.5, 1.5},
         [](Real x) { return std::exp(1.5L * x) / 2; },
         [](Real x) { return 0.75L * std::exp(1.5L * x); }},
        {"rbf",
         {0.5},
         [](Real x) { return std::sin(x) + std::cos(x); },
         [](Real x) { return std::cos(x) - std::sin(x); }},
        {"erf",
         {0.5, 1.5, 0.25},
         [](Real x) { return std::erf(1.5L * x) / 2 + 0.25L; },
         [](Real x) { return 1.5L / std::sqrt(kPi) * std::exp(-2.25L * x * x); }},
        {"gelu",
         {},
         [](Real x) { return x * normal_below(x); },
         [](Real x) { return normal_below(x) + x * normal_density(x); }},
        {"mehler",
         {1.0, 0.5, -0.25, 0.125},
         [](Real x) { return 1 + x / 2 - x * x / 4 + x * x * x / 8; },
         [](Real x) { return 0.5L - x / 2 + 3 * x * x / 8; }},
        {"hermite",
         {3.0},
         [](Real x) { return (x * x * x - 3 * x) / std::sqrt(6.0L); },
         [](Real x) { return (3 * x * x - 3) / std::sqrt(6.0L); }},
        {"sinusoid",
         {0.5, 1.5, 0.25, 2.0},
         [](Real x) { return 0.125L * std::sin(1.5L * x) + std::cos(1.5L * x); },
         [](Real x) { return 0.1875L * std::cos(1.5L * x) - 1.5L * std::sin(1.5L * x); }},
        {"rectified_monomial",
         {3.0},
         [](Real x) { return x > 0 ? x * x * x : 0; },
         [](Real x) { return x > 0 ? 3 * x * x : 0; }},
        {"gaussian",
         {0.5, -0.25},
         [](Real x) { return std::exp(-x * x / 4) / 2; },
         [](Real x) { return -x / 4 * std::exp(-x * x / 4); }},
        {"tanh", {}, [](Real x) { return std::tanh(x); }, [](Real x) { return 1 / (std::cosh(x) * std::cosh(x)); }},
        {"sigmoid", {}, logistic, [=](Real x) { return logistic(x) * logistic(-x); }},
        {"softplus",
         {},
         [](Real x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); },
         logistic},
        {"silu",
         {},
         [=](Real x) { return x * logistic(x); },
         [=](Real x) { return logistic(x) * (1 + x * logistic(-x)); }},
        {"mish",
         {},
         [](Real x) { return x * std::tanh(std::log1p(std::exp(x))); },
         [=](Real x) {
             const Real s = std::log1p(std::exp(x));
             return std::tanh(s) + x * logistic(x) / (std::cosh(s) * std::cosh(s));
         }},
        {"gelu_tanh",
         {},
         [=](Real x) { return x * logistic(gate(x)); },
         [=](Real x) {
             const Real y = gate(x);
             return logistic(y) +
                    x * logistic(y) * logistic(-y) * std::sqrt(8 / kPi) * (1 + 3 * Real(0.044715) * x * x);
         }},
        {"elu",
         {0.75},
         [](Real x) { return x > 0 ? x : 0.75L * std::expm1(x); },
         [](Real x) { return x > 0 ? 1 : 0.75L * std::exp(x); }},
        {"celu",
         {2.0},
         [](Real x) { return x > 0 ? x : 2 * std::expm1(x / 2); },
         [](Real x) { return x > 0 ? 1 : std::exp(x / 2); }},
        {"selu",
         {},
         [](Real x) {
             return 1.0507009873554804934193349852946L *
                    (x > 0 ? x : 1.6732632423543772848170429916717L * std::expm1(x));
         },
         [](Real x) {
             return 1.0507009873554804934193349852946L * (x > 0 ? 1 : 1.6732632423543772848170429916717L * std::exp(x));
         }},
        {"hard_tanh",
         {},
         [](Real x) { return x < -1  ? -1
                             : x > 1 ? 1
                                     : x; },
         [](Real x) { return x > -1 && x < 1 ? 1 : 0; }},
        {"relu6", {}, [](Real x) { return x < 0   ? 0
                                          : x > 6 ? 6
                                                  : x; }, [](Real x) { return x > 0 && x < 6 ? 1 : 0; }},
        {"hard_sigmoid",
         {},
         [](Real x) { return x < -3  ? 0
                             : x > 3 ? 1
                                     : x / 6 + 0.5L; },
         [](Real x) { return x > -3 && x < 3 ? 1.0L / 6 : 0; }},
        {"softsign",
         {},
         [](Real x) { return x / (1 + std::fabs(x)); },
         [](Real x) { return 1 / ((1 + std::fabs(x)) * (1 + std::fabs(x))); }},
    };
    return all;
}

// α̃^1 … α̃^L at one point.
inline std::vector<Vector> preactivations(const std::vector<Layer>& layers, const std::vector<Map>& sigma, Vector x) {
    std::vector<Vector> all;
    for (std::size_t l = 0; l < layers.size(); ++l) {
        const Layer& layer = layers[l];
        const Real scale = layer.scale();
        Vector y(layer.outputs);
        for (std::size_t i = 0; i < layer.outputs; ++i) {
            for (std::size_t j = 0; j < layer.inputs; ++j) y[i] += scale * layer.weight[i * layer.inputs + j] * x[j];
            y[i] += layer.bias_std * layer.bias[i];
        }
        all.push_back(y);
        x = y;
        if (l + 1 < layers.size()) {
            for (Real& value : x) value = sigma[l].value(value);
        }
    }
    return all;
}

// ∂⟨direction, f(x)⟩/∂θ at one point, a vector for the weights and one for the biases of each layer: 2L of them.
inline std::vector<Vector> gradient(const std::vector<Layer>& layers, const std::vector<Map>& sigma, const Vector& x,
                                    const Vector& direction) {
    const std::vector<Vector> before = preactivations(layers, sigma, x);
    std::vector<Vector> all(2 * layers.size());
    Vector delta = direction;
    for (std::size_t l = layers.size(); l-- > 0;) {
        const Layer& layer = layers[l];
        const Real scale = layer.scale();
        Vector below(layer.inputs);
        Vector alpha = l == 0 ? x : before[l - 1];
        if (l > 0) {
            for (Real& value : alpha) value = sigma[l - 1].value(value);
        }
        for (std::size_t i = 0; i < layer.outputs; ++i) {
            for (std::size_t j = 0; j < layer.inputs; ++j) {
                all[2 * l].push_back(scale * delta[i] * alpha[j]);
                below[j] += scale * layer.weight[i * layer.inputs + j] * delta[i];
            }
            all[2 * l + 1].push_back(layer.bias_std * delta[i]);
        }
        if (l == 0) break;
        for (std::size_t j = 0; j < layer.inputs; ++j) below[j] *= sigma[l - 1].slope(before[l - 1][j]);
        delta = below;
    }
    return all;
}

}  // namespace ntkcore::reference
