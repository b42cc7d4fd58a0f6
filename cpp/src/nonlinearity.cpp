#include "ntkcore/nonlinearity.hpp"

#include <cmath>
#include <stdexcept>
#include <utility>

#include "dense/kernels.hpp"

namespace ntkcore {
namespace {

using dense::Pointwise;

constexpr double kSeluScale = 1.0507009873554804934193349852946, kSeluAlpha = 1.6732632423543772848170429916717;

struct Known {
    const char* name;
    std::size_t n_parameters;  // at least
    Pointwise kind;
};
constexpr Known kKnown[] = {
    {"ab_relu", 2, Pointwise::ab_relu},   {"exponential", 2, Pointwise::exponential},
    {"rbf", 1, Pointwise::sinusoid},      {"erf", 3, Pointwise::erf},
    {"gelu", 0, Pointwise::gelu},         {"mehler", 1, Pointwise::polynomial},
    {"hermite", 1, Pointwise::hermite},   {"sinusoid", 4, Pointwise::sinusoid},
    {"gaussian", 2, Pointwise::gaussian}, {"rectified_monomial", 1, Pointwise::power},
    {"tanh", 0, Pointwise::tanh},         {"sigmoid", 0, Pointwise::sigmoid},
    {"softplus", 0, Pointwise::softplus}, {"silu", 0, Pointwise::silu},
    {"mish", 0, Pointwise::mish},         {"gelu_tanh", 0, Pointwise::gelu_tanh},
    {"elu", 1, Pointwise::elu},           {"celu", 1, Pointwise::elu},
    {"selu", 0, Pointwise::elu},          {"hard_tanh", 0, Pointwise::clip},
    {"relu6", 0, Pointwise::clip},        {"hard_sigmoid", 0, Pointwise::clip},
    {"softsign", 0, Pointwise::softsign},
};

// The parameters that the inner loops want (dense/kernels.hpp).
std::vector<double> prepared(const std::string& name, std::vector<double> p) {
    if (name == "rbf") return {1.0, std::sqrt(2.0 * p[0]), 1.0, 1.0};  // √2 sin(bx + π/4) = sin bx + cos bx
    if (name == "elu") return {1.0, p[0], 1.0};
    if (name == "celu") return {1.0, p[0], p[0]};
    if (name == "selu") return {kSeluScale, kSeluAlpha, 1.0};
    if (name == "hard_tanh") return {-1.0, 1.0, 1.0, 0.0};
    if (name == "relu6") return {0.0, 6.0, 1.0, 0.0};
    if (name == "hard_sigmoid") return {0.0, 1.0, 1.0 / 6.0, 0.5};
    if (name != "hermite") return p;
    std::vector<double> steps;
    for (double k = 0; k < p[0]; ++k) {
        steps.push_back(std::sqrt(k));
        steps.push_back(1.0 / std::sqrt(k + 1.0));
    }
    return steps;
}

// y = f(x) of a block, through contiguous doubles.
template <class T>
std::vector<double> called(const Function& f, std::size_t rows, std::size_t cols, Rows<const T> x) {
    std::vector<double> in(rows * cols);
    std::vector<double> out(rows * cols);
    for (std::size_t i = 0; i < rows; ++i) {
        for (std::size_t j = 0; j < cols; ++j) in[i * cols + j] = static_cast<double>(*x.at(i, j));
    }
    f(in.data(), in.size(), out.data());
    return out;
}

template <class T>
dense::Block<T> block(std::size_t rows, std::size_t cols, Rows<const T> x, Rows<T> out, T factor,
                      const std::vector<double>& parameters) {
    return {rows, cols, x.data, x.stride, out.data, out.stride, factor, parameters.data(), parameters.size()};
}

}  // namespace

Nonlinearity::Nonlinearity(const std::string& name, std::vector<double> parameters) {
    for (const Known& known : kKnown) {
        if (name != known.name) continue;
        if (parameters.size() < known.n_parameters) throw std::invalid_argument(name + " needs more parameters");
        kind_ = static_cast<std::size_t>(known.kind);
        parameters_ = prepared(name, std::move(parameters));
        return;
    }
    throw std::invalid_argument("no activation of a finite network: " + name);
}

template <class T>
void Nonlinearity::value(std::size_t rows, std::size_t cols, Rows<const T> x, Rows<T> out) const {
    if (!foreign()) return dense::kernels<T>().value[kind_](block<T>(rows, cols, x, out, T(1), parameters_));
    const std::vector<double> y = called<T>(function_, rows, cols, x);
    for (std::size_t i = 0; i < rows; ++i) {
        for (std::size_t j = 0; j < cols; ++j) *out.at(i, j) = static_cast<T>(y[i * cols + j]);
    }
}

template <class T>
void Nonlinearity::multiply_slope(std::size_t rows, std::size_t cols, Rows<const T> x, Rows<T> out, T factor) const {
    if (!foreign()) return dense::kernels<T>().slope[kind_](block<T>(rows, cols, x, out, factor, parameters_));
    const std::vector<double> y = called<T>(slope_, rows, cols, x);
    for (std::size_t i = 0; i < rows; ++i) {
        for (std::size_t j = 0; j < cols; ++j) *out.at(i, j) *= factor * static_cast<T>(y[i * cols + j]);
    }
}

template void Nonlinearity::value<float>(std::size_t, std::size_t, Rows<const float>, Rows<float>) const;
template void Nonlinearity::value<double>(std::size_t, std::size_t, Rows<const double>, Rows<double>) const;
template void Nonlinearity::multiply_slope<float>(std::size_t, std::size_t, Rows<const float>, Rows<float>,
                                                  float) const;
template void Nonlinearity::multiply_slope<double>(std::size_t, std::size_t, Rows<const double>, Rows<double>,
                                                   double) const;

}  // namespace ntkcore
