// σ(x) = a·min(x, 0) + b·max(x, 0): relu (0, 1), leaky relu (α, 1), abs (−1, 1), identity (1, 1).
#pragma once

#include <cmath>
#include <vector>

#include "ntkcore/layer.hpp"

namespace ntkcore {

template <class T>
class AbReluLayer final : public Layer<T> {
   public:
    explicit AbReluLayer(const std::vector<double>& parameters) : a_(parameters.at(0)), b_(parameters.at(1)) {}

    [[nodiscard]] Family family() const override { return Family::ab_relu; }
    [[nodiscard]] std::vector<T> constants() const override { return {static_cast<T>(lambda())}; }
    [[nodiscard]] bool nonnegative() const override { return static_cast<T>(lambda()) == T(1); }

    void tabulate(const Scaled* q, std::size_t n, T*, std::size_t, Moments* moments) const override {
        const Scaled half_squares = 0.5 * (square(a_) + square(b_));
        for (std::size_t i = 0; i < n; ++i) {
            moments[i] = {half_squares * q[i], half_squares, 0.5 * (a_ + b_)};
            moments[i].bend = std::sqrt(2.0 * lambda());
        }
    }

   private:
    // (a−b)²/(a²+b²), the weight of the arc-cosine part; 0 for σ = 0
    [[nodiscard]] double lambda() const {
        const double scale = std::fmax(std::fabs(a_), std::fabs(b_));
        if (scale == 0.0) return 0.0;
        const double x = a_ / scale;
        const double y = b_ / scale;
        return (x - y) * (x - y) / (x * x + y * y);
    }

    double a_, b_;
};

}  // namespace ntkcore
