// A hidden layer seen by one sample at a time: moments of σ, and the tables that the pair formulas of its family read.
// The pair formulas themselves are in src/tile.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "ntkcore/activation.hpp"
#include "ntkcore/scaled.hpp"

namespace ntkcore {

// Of σ(√q z), z ~ N(0, 1), for the variance q of one sample.
struct Moments {
    Scaled square;            // E[σ²]
    Scaled slope_square;      // E[σ̇²]; 0 where it is infinite (sign, step)
    double mean_slope = 0.0;  // E[σ̇]
};

template <class T>
class Layer {
   public:
    virtual ~Layer() = default;

    [[nodiscard]] virtual Family family() const = 0;
    // Numbers per sample.
    [[nodiscard]] virtual std::size_t tables() const { return 0; }
    // Numbers shared by all pairs, in the order that the pair formulas read them.
    [[nodiscard]] virtual std::vector<T> constants() const { return {}; }
    // ρ ≥ 0 after the layer, whatever it was before.
    [[nodiscard]] virtual bool nonnegative() const { return false; }
    // For n consecutive samples of variances q: number t of sample i goes to tables[t·stride + i].
    virtual void tabulate(const Scaled* q, std::size_t n, T* tables, std::size_t stride, Moments* moments) const = 0;

    [[nodiscard]] static std::unique_ptr<Layer> make(const Activation& activation);
};

}  // namespace ntkcore
