// Any σ by its Hermite expansion. Tables: the coefficients ã_k, scaled to Σ ã_k² = 1, of the degrees of σ's parity.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "ntkcore/layer.hpp"
#include "tile/expanded_tables.hpp"

namespace ntkcore {

template <class T>
class ExpandedLayer final : public Layer<T> {
   public:
    explicit ExpandedLayer(std::shared_ptr<const Expandable> what) : what_(std::move(what)) {
        if (what_ == nullptr) throw std::invalid_argument("an expanded activation needs a function");
    }

    [[nodiscard]] Family family() const override { return Family::expanded; }
    [[nodiscard]] std::size_t tables() const override { return terms_; }
    void limit(std::size_t terms) override { limit_ = std::max<std::size_t>(2, terms); }

    // Samples that are compared with each other are prepared one after the other; the number of terms never falls.
    void prepare(const Scaled* q, std::size_t n, int threads) override {
        expansion_ = expand(*what_, q, n, tolerance(), terms_, limit_, threads, expansion_);
        base_ = q;
        terms_ = expansion_.terms;
        capped_ = capped_ || expansion_.capped;
        largest_.resize(terms_, 0.0);
        double constant = 1.0;
        for (std::size_t t = 0; t < terms_; ++t) largest_[t] = std::max(largest_[t], expansion_.largest[t]);
        for (std::size_t v = 0; v < expansion_.moments.size(); ++v) {
            const double first = expansion_.coefficients[v * terms_];
            constant = std::min(constant, expansion_.parity == Parity::odd ? 0.0 : first * first);
        }
        near_ = near_ || constant > 0.5;
    }
    void release() override {
        expansion_.coefficients = Aligned<double>();
        expansion_.distinct = {};
    }

    void tabulate(const Scaled* q, std::size_t n, T* tables, std::size_t stride, Moments* moments) const override {
        const auto first = static_cast<std::size_t>(q - base_);
        constexpr std::size_t kTogether = 8;  // of whose numbers whole cache lines are written
        for (std::size_t i = 0; i < n; i += kTogether) {
            const std::size_t m = std::min(kTogether, n - i);
            const double* a[kTogether];
            for (std::size_t l = 0; l < m; ++l) {
                const std::size_t v = expansion_.distinct[first + i + l];
                a[l] = expansion_.coefficients.data() + v * terms_;
                moments[i + l] = expansion_.moments[v];
            }
            for (std::size_t t = 0; t < terms_; ++t) {
                for (std::size_t l = 0; l < m; ++l) tables[t * stride + i + l] = static_cast<T>(a[l][t]);
            }
        }
    }

    [[nodiscard]] Truncation truncation(std::size_t i) const override {
        return expansion_.truncation[expansion_.distinct[i]];
    }
    [[nodiscard]] bool capped() const override { return capped_; }
    [[nodiscard]] std::size_t degree() const override {
        if (sparse()) return 2 * expansion_.lattice.top() + (expansion_.parity == Parity::even ? 0 : 1);
        if (expansion_.parity == Parity::none) return terms_ - 1;
        return 2 * terms_ - (expansion_.parity == Parity::odd ? 1 : 2);
    }

    // Parity; whether most pairs come out nearly parallel; then, for |ρ| up to 1/128, 2/128, …, 1, how many terms leave
    // a remainder below the rounding error: Σ_{k≥n} k c_k |ρ|^{k−1} with c_k the largest ã_k². Then what belongs to the
    // lattice (tile/expanded_tables.hpp).
    [[nodiscard]] std::vector<T> constants() const override {
        std::vector<T> result = {static_cast<T>(static_cast<int>(expansion_.parity)), static_cast<T>(near_ ? 1 : 0)};
        const bool both = expansion_.parity == Parity::none;
        const std::size_t parts = sparse() && both ? 2 : 1;  // terms that come together
        const std::vector<std::size_t>& node = expansion_.lattice.node;
        const std::size_t all = sparse() ? node.size() : largest_.size();
        const std::size_t step = both ? 1 : 2;  // of degrees
        const auto degree = [&](std::size_t n) {
            return sparse() ? 2 * node[n] : step * n + (expansion_.parity == Parity::odd ? 1 : 0);
        };
        std::vector<double> weight(all);
        for (std::size_t t = 0; t < parts * all; ++t) {
            weight[t / parts] += static_cast<double>(degree(t / parts) + parts - 1) * largest_[t];
        }
        for (std::size_t b = 1; b <= tile::kExpandedBuckets; ++b) {
            const double rho = static_cast<double>(b) / static_cast<double>(tile::kExpandedBuckets);
            const double log_rho = std::log(rho);
            const double up = both ? 1 / rho : 1 / (rho * rho);
            const double enough = std::numeric_limits<T>::epsilon() / 16;
            double sum = 0.0;
            double power = 0.0;  // ρ^{k−1}, 0 where it is tiny
            std::size_t n = all;
            for (; n > 1; --n) {
                if (power > 0 && !sparse()) {
                    power *= up;
                } else {
                    const double log_power = (static_cast<double>(degree(n - 1)) - 1.0) * log_rho;
                    power = log_power < -80.0 ? 0.0 : std::exp(log_power);
                }
                sum += weight[n - 1] * power;
                if (sum > enough) break;
            }
            result.push_back(static_cast<T>(n));
        }
        result.push_back(static_cast<T>(expansion_.lattice.start.size()));
        if (!sparse()) return result;
        for (const std::size_t first : expansion_.lattice.start) result.push_back(static_cast<T>(first));
        const double gone = -0.5 * std::log(static_cast<double>(std::numeric_limits<T>::epsilon()) / 16);
        for (const std::size_t first : expansion_.lattice.start) {  // e^{−2dw} is below the rounding errors
            result.push_back(static_cast<T>(gone / std::fmax(1.0, static_cast<double>(node[first]))));
        }
        result.push_back(static_cast<T>(expansion_.bend_rest));
        for (const double u : expansion_.bend) result.push_back(static_cast<T>(u));
        return result;
    }

   private:
    [[nodiscard]] bool sparse() const { return expansion_.lattice.used(); }
    // Both tails of each layer; the errors of the layers add up.
    [[nodiscard]] double tolerance() const {
        const double rtol = what_->rtol > 0 ? what_->rtol : (std::numeric_limits<T>::digits > 30 ? 1e-10 : 1e-6);
        return std::max(rtol / 3, 1e-13);
    }

    std::shared_ptr<const Expandable> what_;
    Expansion expansion_;
    const Scaled* base_ = nullptr;
    std::size_t terms_ = 0;
    std::size_t limit_ = std::numeric_limits<std::size_t>::max();
    bool capped_ = false, near_ = false;
    std::vector<double> largest_;
};

}  // namespace ntkcore
