// A fully connected network in the NTK parametrization (Jacot, Gabriel, Hongler 2018, §2):
//   α⁰ = x,  α̃^{ℓ+1} = (σ_w/√n_ℓ) W^ℓ α^ℓ + σ_b b^ℓ,  α^ℓ = σ(α̃^ℓ),  f = α̃^L.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <vector>

#include "ntkcore/activation.hpp"

namespace ntkcore {

struct Affine {
    double weight_std = 1.0;  // σ_w
    double bias_std = 0.0;    // σ_b
};

struct Network {
    std::vector<Affine> affine;          // L maps
    std::vector<Activation> activation;  // L − 1 hidden layers

    [[nodiscard]] std::size_t depth() const { return affine.size(); }
    void validate() const {
        if (affine.empty() || activation.size() + 1 != affine.size()) {
            throw std::invalid_argument("a network of depth L has L affine maps and L - 1 activations");
        }
    }
};

}  // namespace ntkcore
