// Layers whose normalised dual is exp(−½|Q_i x̂_i − Q_j x̂_j|²): a·exp(bx), and √2 sin(√(2γ) x + π/4) ("rbf").
// The tables are explained in tile/tables.hpp.
#pragma once

#include <vector>

#include "ntkcore/layer.hpp"

namespace ntkcore {

template <class T>
class ExponentialLayer : public Layer<T> {
   public:
    [[nodiscard]] Family family() const final { return Family::exponential; }
    [[nodiscard]] std::size_t tables() const final;
    [[nodiscard]] bool nonnegative() const final { return true; }
    void tabulate(const Scaled* q, std::size_t n, T* tables, std::size_t stride, Moments* moments) const final;

   protected:
    explicit ExponentialLayer(double scale) : scale_(scale) {}
    [[nodiscard]] virtual Moments moments(Scaled q) const = 0;

   private:
    double scale_;  // Q = scale·√q
};

template <class T>
class ExpLayer final : public ExponentialLayer<T> {
   public:
    explicit ExpLayer(const std::vector<double>& parameters);
    [[nodiscard]] bool admits(Scaled q) const override;

   private:
    [[nodiscard]] Moments moments(Scaled q) const override;
    double a_, b_;
};

template <class T>
class RbfLayer final : public ExponentialLayer<T> {
   public:
    explicit RbfLayer(const std::vector<double>& parameters);

   private:
    [[nodiscard]] Moments moments(Scaled q) const override;
    double gamma_;
};

}  // namespace ntkcore
