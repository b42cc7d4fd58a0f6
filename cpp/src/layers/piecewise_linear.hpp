// Continuous, piecewise linear σ: σ(x) = p_j + s_j x between the kinks b_j and b_{j+1}. See tile/piecewise_linear.hpp.
#pragma once

#include <cstddef>
#include <vector>

#include "ntkcore/layer.hpp"
#include "tile/piecewise_linear_tables.hpp"

namespace ntkcore {

enum class Symmetry { odd, even, none };

template <class T>
class PiecewiseLinearLayer final : public Layer<T> {
   public:
    // B kinks b_1 < … < b_B, the slopes s_0 … s_B, the intercepts p_0 … p_B; at least one of the pieces beside 0 is not
    // σ = 0.
    explicit PiecewiseLinearLayer(const std::vector<double>& parameters);

    [[nodiscard]] Family family() const override { return Family::piecewise_linear; }
    [[nodiscard]] std::size_t tables() const override { return layout_.count(); }
    [[nodiscard]] std::vector<T> constants() const override;
    void tabulate(const Scaled* q, std::size_t n, T* tables, std::size_t stride, Moments* moments) const override;

   private:
    [[nodiscard]] std::size_t degree_of(std::size_t term) const;

    std::vector<double> kink_, slope_, value_;
    Symmetry symmetry_ = Symmetry::none;
    tile::PiecewiseTables layout_{};
};

}  // namespace ntkcore
