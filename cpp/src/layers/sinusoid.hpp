// σ(x) = a (o·sin bx + e·cos bx): a·sin(bx + c) for o = cos c, e = sin c. See tile/sinusoid.hpp.
#pragma once

#include <vector>

#include "ntkcore/layer.hpp"

namespace ntkcore {

template <class T>
class SinusoidLayer final : public Layer<T> {
   public:
    explicit SinusoidLayer(const std::vector<double>& parameters)
        : a_(parameters.at(0)), b_(parameters.at(1)), odd_(parameters.at(2)), even_(parameters.at(3)) {}

    [[nodiscard]] Family family() const override { return Family::sinusoid; }
    [[nodiscard]] std::size_t tables() const override;
    [[nodiscard]] std::vector<T> constants() const override {
        return {odd_ != 0.0 || even_ == 0.0 ? T(1) : T(0), even_ != 0.0 ? T(1) : T(0)};
    }
    [[nodiscard]] bool nonnegative() const override { return odd_ == 0.0 && even_ != 0.0; }
    void tabulate(const Scaled* q, std::size_t n, T* tables, std::size_t stride, Moments* moments) const override;

   private:
    double a_, b_, odd_, even_;
};

}  // namespace ntkcore
