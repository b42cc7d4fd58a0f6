// A hidden layer seen by one sample at a time: moments of σ, and the tables that the pair formulas of its family read.
// The pair formulas themselves are in src/tile.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "ntkcore/activation.hpp"
#include "ntkcore/moments.hpp"
#include "ntkcore/scaled.hpp"

namespace ntkcore {

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
    // E[σ²] exists at the variance q, and can be represented.
    [[nodiscard]] virtual bool admits(Scaled /*q*/) const { return true; }
    // Called with the variances of all samples before `tabulate` is with pieces of the same array; and when that is
    // over.
    virtual void prepare(const Scaled* /* q */, std::size_t /* n */, int /* threads */) {}
    virtual void release() {}
    // For n consecutive samples of variances q: number t of sample i goes to tables[t·stride + i]. Null of erf, gelu,
    // sinusoid and rbf layers: not wanted.
    virtual void tabulate(const Scaled* q, std::size_t n, T* tables, std::size_t stride, Moments* moments) const = 0;

    // Of expansions: at most so many tables; the error at prepared sample i, until it is released; whether the limit
    // was too low; and the highest degree.
    virtual void limit(std::size_t /* tables */) {}
    [[nodiscard]] virtual Truncation truncation(std::size_t /* sample */) const { return {}; }
    [[nodiscard]] virtual bool capped() const { return false; }
    [[nodiscard]] virtual std::size_t degree() const { return 0; }

    [[nodiscard]] static std::unique_ptr<Layer> make(const Activation& activation);
};

}  // namespace ntkcore
