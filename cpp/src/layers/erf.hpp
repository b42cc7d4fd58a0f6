// σ(x) = a·erf(bx) + c, and gelu, σ(x) = xΦ(x). See tile/erf.hpp and tile/gelu.hpp.
#pragma once

#include <vector>

#include "ntkcore/layer.hpp"

namespace ntkcore {

template <class T>
class ErfLayer final : public Layer<T> {
   public:
    explicit ErfLayer(const std::vector<double>& parameters)
        : a_(parameters.at(0)), b_(parameters.at(1)), c_(parameters.at(2)) {}

    [[nodiscard]] Family family() const override { return Family::erf; }
    [[nodiscard]] std::size_t tables() const override;
    [[nodiscard]] std::vector<T> constants() const override { return {c_ != 0.0 ? T(1) : T(0)}; }
    void tabulate(const Scaled* q, std::size_t n, T* tables, std::size_t stride, Moments* moments) const override;

   private:
    double a_, b_, c_;
};

template <class T>
class GeluLayer final : public Layer<T> {
   public:
    [[nodiscard]] Family family() const override { return Family::gelu; }
    [[nodiscard]] std::size_t tables() const override;
    void tabulate(const Scaled* q, std::size_t n, T* tables, std::size_t stride, Moments* moments) const override;
};

}  // namespace ntkcore
