// σ(x) = a·exp(bx²); E[σ²] exists for variances q with 4bq < 1. See tile/gaussian.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "layers/special.hpp"
#include "ntkcore/layer.hpp"
#include "tile/tables.hpp"

namespace ntkcore {

template <class T>
class GaussianLayer final : public Layer<T> {
   public:
    explicit GaussianLayer(const std::vector<double>& parameters) : a_(parameters.at(0)), b_(parameters.at(1)) {}

    [[nodiscard]] Family family() const override { return Family::gaussian; }
    [[nodiscard]] std::size_t tables() const override { return tile::kGaussianTables; }
    [[nodiscard]] bool nonnegative() const override { return true; }
    [[nodiscard]] bool admits(Scaled q) const override { return b_ <= 0.0 || (4.0 * b_ * q).value() < 1.0; }

    void tabulate(const Scaled* q, std::size_t n, T* tables, std::size_t stride, Moments* moments) const override {
        for (std::size_t i = 0; i < n; ++i) {
            const double e = std::min(-(4.0 * b_ * q[i]).value(), kLargestRoot<T>);
            const double one_e = 1.0 + e;
            const double root = std::sqrt(one_e);
            const auto put = [&](std::size_t table, double value) {
                tables[table * stride + i] = static_cast<T>(value);
            };
            put(tile::kHalfE, 0.5 * e);
            put(tile::kHalfOneE, 0.5 * one_e);
            put(tile::kRootE, std::sqrt(0.5) * e / (root + 1.0));
            put(tile::kQuarterRoot, std::sqrt(root));
            // E = a²/√(1+e), E[σ̇²] = 4a²b² q/(1+e)^{3/2}, E[σ̇] = 0
            const Scaled exact = b_ <= 0.0 ? Scaled(1.0) + std::fabs(4.0 * b_) * q[i] : Scaled(one_e);
            const Scaled mean_square = quotient(square(a_), sqrt(exact));
            moments[i] = {mean_square, quotient((4.0 * square(b_)) * (q[i] * mean_square), exact), 0.0};
            // σ² is a Gaussian of variance v = q/(1 − 4bq): S = 4(bq)² (1 + 4bv + 12(bv)²)
            const double bq = finite((b_ * q[i]).value());
            const double bv = bq / (1.0 - 4.0 * bq);
            moments[i].curvature = finite(4.0 * bq * bq * (1.0 + 4.0 * bv + 12.0 * bv * bv));
        }
    }

   private:
    double a_, b_;
};

}  // namespace ntkcore
