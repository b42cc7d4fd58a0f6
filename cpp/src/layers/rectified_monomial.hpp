// σ(x) = max(x, 0)^k, k ≥ 1. See tile/rectified_monomial.hpp.
#pragma once

#include <cstddef>
#include <vector>

#include "ntkcore/layer.hpp"

namespace ntkcore {

template <class T>
class RectifiedMonomialLayer final : public Layer<T> {
   public:
    explicit RectifiedMonomialLayer(const std::vector<double>& parameters);

    [[nodiscard]] Family family() const override { return Family::rectified_monomial; }
    [[nodiscard]] std::vector<T> constants() const override { return constants_; }
    [[nodiscard]] bool nonnegative() const override { return true; }
    [[nodiscard]] bool admits(Scaled q) const override;
    void tabulate(const Scaled* q, std::size_t n, T* tables, std::size_t stride, Moments* moments) const override;

   private:
    std::size_t k_;
    std::vector<T> constants_;
    Scaled square_, slope_square_;  // at q = 1
    double mean_slope_;
};

}  // namespace ntkcore
