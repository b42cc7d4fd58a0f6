// What the NTK of a finite network and its products with vectors share.
#pragma once

#include <algorithm>
#include <cstddef>

#include "ntkcore/mlp.hpp"
#include "ntkcore/parallel.hpp"

namespace ntkcore {

// The progress of work in stages, of which each costs so much.
class Stages {
   public:
    Stages(const Poll* poll, double total) : poll_(poll), total_(total) {}

    // For the next stage, valid until the one after.
    const Poll* next(double cost) {
        if (poll_ == nullptr) return nullptr;
        before_ += cost_;
        cost_ = cost;
        stage_ = [this](std::size_t done, std::size_t tasks) {
            const double share = tasks == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(tasks);
            report((before_ + cost_ * share) / total_);
        };
        return &stage_;
    }
    void finish() const {
        if (poll_ != nullptr) report(1.0);
    }

   private:
    static constexpr std::size_t kSteps = 1000;
    void report(double share) const { (*poll_)(static_cast<std::size_t>(std::min(1.0, share) * kSteps), kSteps); }

    const Poll* poll_;
    Poll stage_;
    double total_, before_ = 0, cost_ = 0;
};

// Of a forward pass at one point.
template <class T>
[[nodiscard]] double multiplications(const Mlp<T>& mlp) {
    double total = 0;
    for (const Dense<T>& layer : mlp.layers())
        total += static_cast<double>(layer.inputs) * static_cast<double>(layer.outputs);
    return total;
}

// Of α, α̃, `more` further arrays, and σ' where it is kept.
template <class T>
[[nodiscard]] std::size_t bytes_per_point(const Mlp<T>& mlp, std::size_t more) {
    std::size_t total = 0;
    for (std::size_t l = 0; l < mlp.depth(); ++l) {
        const bool kept = l + 1 < mlp.depth() && mlp.activations()[l].foreign();
        total += Buffer<T>::padded(mlp.layers()[l].outputs) * (2 + more + (kept ? 1 : 0));
    }
    return total * sizeof(T);
}

}  // namespace ntkcore
