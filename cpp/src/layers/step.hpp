// σ(x) = a for x < 0, b for x > 0: sign (−1, 1), the Heaviside step (0, 1). At x = 0 it has no single value: samples
// without variance count as orthogonal to all others, the limit of a vanishing independent feature. See tile/step.hpp.
#pragma once

#include <vector>

#include "ntkcore/layer.hpp"

namespace ntkcore {

template <class T>
class StepLayer final : public Layer<T> {
   public:
    explicit StepLayer(const std::vector<double>& parameters) : a_(parameters.at(0)), b_(parameters.at(1)) {}

    [[nodiscard]] Family family() const override { return Family::step; }
    // the share of the constant part, (a+b)²/(2(a²+b²))
    [[nodiscard]] std::vector<T> constants() const override { return {static_cast<T>(constant())}; }
    [[nodiscard]] bool nonnegative() const override { return constant() >= 0.5; }

    void tabulate(const Scaled*, std::size_t n, T*, std::size_t, Moments* moments) const override {
        const Scaled half_squares = 0.5 * (square(a_) + square(b_));
        for (std::size_t i = 0; i < n; ++i) moments[i] = {half_squares, Scaled(), 0.0};
    }

   private:
    [[nodiscard]] double constant() const {
        const double squares = a_ * a_ + b_ * b_;
        return squares == 0.0 ? 0.0 : 0.5 * (a_ + b_) * (a_ + b_) / squares;
    }
    double a_, b_;
};

}  // namespace ntkcore
