// The NTK of a finite network by layers, never by the Jacobian:
//   Θ_{kk'}(x, x') = Σ_ℓ [σ_w²/n_ℓ α^ℓ(x)·α^ℓ(x') + σ_b²] [δ_k^{ℓ+1}(x)·δ_{k'}^{ℓ+1}(x')],   δ_k^ℓ = ∂f_k/∂α̃^ℓ.
#pragma once

#include <cstddef>

#include "ntkcore/mlp.hpp"

namespace ntkcore {

enum class NtkOutputs {
    mean,      // (1/n_L) Σ_k Θ_kk
    full,      // Θ_kk', n_L × n_L numbers
    diagonal,  // Θ_kk, n_L numbers
};

// Numbers per pair of points.
[[nodiscard]] std::size_t numbers(NtkOutputs outputs, std::size_t n_outputs);

template <class T>
struct NtkCall {
    std::size_t n = 0;
    Rows<const T> x;
    std::size_t m = 0;
    Rows<const T> z;  // null: z is x
    NtkOutputs outputs = NtkOutputs::mean;
    bool per_layer = false;  // a leading axis of 2L: the terms of the weights and of the biases of each layer
    T* out = nullptr;        // n × m × numbers, or 2L × that
    std::size_t memory = std::size_t{640} << 20U;  // bytes of α and δ to hold at once; more points go in blocks
};

template <class T>
void empirical_ntk(const Mlp<T>& mlp, const NtkCall<T>& call, const Poll* poll);

// Θ V = J (Jᵀ V) for V (n × n_L) in rows of n_L, without Θ: back for Jᵀ V, then forward along it. Where n points do not
// fit into `memory`, they go in blocks, and Jᵀ V takes as much memory as the parameters.
template <class T>
void ntk_vector_product(const Mlp<T>& mlp, std::size_t n, Rows<const T> x, const T* v, T* out, const Poll* poll,
                        std::size_t memory = std::size_t{640} << 20U);

}  // namespace ntkcore
