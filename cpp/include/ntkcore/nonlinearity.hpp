// An activation σ and its slope σ' as maps of arrays, for finite networks. At a kink the slope is what PyTorch takes: 0
// for relu, the slope of the left side for the elu family.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "ntkcore/expansion.hpp"

namespace ntkcore {

// A matrix in rows of `stride` numbers.
template <class T>
struct Rows {
    T* data = nullptr;
    std::size_t stride = 0;

    [[nodiscard]] T* at(std::size_t i, std::size_t j) const { return data + i * stride + j; }
    operator Rows<const T>() const { return {data, stride}; }
};

class Nonlinearity {
   public:
    // A family of activation.hpp with its parameters, or one of tanh, sigmoid, softplus, silu, mish, gelu_tanh, elu and
    // celu (α), selu, hard_tanh, relu6, hard_sigmoid, softsign. std::invalid_argument for others, and for step, which
    // has no slope.
    Nonlinearity(const std::string& name, std::vector<double> parameters);
    // Any function; both may be called from several threads, and may throw.
    Nonlinearity(Function value, Function slope) : function_(std::move(value)), slope_(std::move(slope)) {}

    // May throw: σ and σ' are somebody else's code.
    [[nodiscard]] bool foreign() const { return static_cast<bool>(function_); }

    // out = σ(x)
    template <class T>
    void value(std::size_t rows, std::size_t cols, Rows<const T> x, Rows<T> out) const;
    // out ← factor·out·σ'(x)
    template <class T>
    void multiply_slope(std::size_t rows, std::size_t cols, Rows<const T> x, Rows<T> out, T factor) const;

   private:
    std::size_t kind_ = 0;
    std::vector<double> parameters_;
    Function function_, slope_;
};

}  // namespace ntkcore
