// A finite network in the NTK parametrization, and its gradient descent:
//   α⁰ = x,   α̃^{ℓ+1} = (σ_w/√n_ℓ) W^ℓ α^ℓ + σ_b b^ℓ,   α^ℓ = σ(α̃^ℓ),   f = α̃^L.
// The parameters belong to somebody else and are changed in place. Arrays over points are points × neurons.
//
// Every sum is cut into pieces by the shapes alone: the same bits for every number of threads.
#pragma once

#include <cstddef>
#include <vector>

#include "ntkcore/aligned.hpp"
#include "ntkcore/nonlinearity.hpp"
#include "ntkcore/parallel.hpp"

namespace ntkcore {

struct Range;  // partition.hpp

template <class T>
struct Dense {
    T* weight = nullptr;  // W, outputs × inputs
    T* bias = nullptr;    // b
    std::size_t inputs = 0, outputs = 0;
    double weight_std = 1.0, bias_std = 0.0;

    [[nodiscard]] double scale() const;  // σ_w/√n_ℓ
};

// One number per parameter: where a gradient is written, or a velocity is kept.
template <class T>
struct Parameters {
    std::vector<T*> weights, biases;
};

// Numbers over points. The memory is used again by the next pass.
template <class T>
class Buffer {
   public:
    // Rows of `cols` numbers start at cache lines.
    [[nodiscard]] static std::size_t padded(std::size_t cols);

    void resize(std::size_t n, std::size_t cols);
    [[nodiscard]] Rows<T> rows() { return {memory_.data(), stride_}; }
    [[nodiscard]] Rows<const T> rows() const { return {memory_.data(), stride_}; }

   private:
    Aligned<T> memory_;
    std::size_t stride_ = 0;
};

// Memory that each thread copies parts of matrices into.
template <class T>
class Scratch {
   public:
    explicit Scratch(int threads) : memory_(static_cast<std::size_t>(threads < 1 ? 1 : threads)) {}
    [[nodiscard]] T* of(int worker);

   private:
    std::vector<Aligned<T>> memory_;
};

template <class T>
class Mlp {
   public:
    Mlp(std::vector<Dense<T>> layers, std::vector<Nonlinearity> activations, int threads);

    [[nodiscard]] std::size_t depth() const { return layers_.size(); }
    [[nodiscard]] const std::vector<Dense<T>>& layers() const { return layers_; }
    [[nodiscard]] const std::vector<Nonlinearity>& activations() const { return activations_; }
    [[nodiscard]] int threads() const { return threads_; }
    [[nodiscard]] std::size_t points() const { return points_; }

    // f at n points. `x` must stay as it is until the last use of this pass.
    void forward(std::size_t n, Rows<const T> x, const Poll* poll = nullptr);
    // α̃^ℓ of the last pass, ℓ = 1 … L; f is that of ℓ = L.
    [[nodiscard]] Rows<const T> preactivation(std::size_t level) const { return before_[level - 1].rows(); }
    // α^ℓ of the last pass, ℓ = 1 … L−1.
    [[nodiscard]] Rows<const T> activation(std::size_t level) const { return after_[level - 1].rows(); }
    // out ← factor·out·σ'(α̃^ℓ), where out is n × cols, at the points p … p+n−1 and the neurons j … j+cols−1.
    void multiply_slope(std::size_t level, std::size_t p, std::size_t n, std::size_t j, std::size_t cols, Rows<T> out,
                        T factor) const;

    // g = ∂⟨direction, f⟩/∂θ at the last pass; direction is (n, n_L) in rows of n_L.
    void gradient(const T* direction, const Parameters<T>& to, const Poll* poll = nullptr);
    void add_gradient(const T* direction, const Parameters<T>& to, const Poll* poll = nullptr);
    // No more than δ^ℓ = ∂⟨direction, f⟩/∂α̃^ℓ, ℓ = 1 … L.
    void propagate(const T* direction, const Poll* poll = nullptr);
    [[nodiscard]] Rows<const T> delta(std::size_t level) const { return delta_[level - 1].rows(); }
    // θ ← θ + rate·g; a step is not stopped half-way
    void step(const T* direction, T rate);
    // v ← momentum·v + g, θ ← θ + rate·v
    void step(const T* direction, T rate, T momentum, const Parameters<T>& velocity);

   private:
    struct Update;

    // Few parameters, that stay in a cache, and enough points: each task takes its points through all layers.
    [[nodiscard]] bool by_points() const;
    void forward_by_points(const Poll* poll);
    void forward_layer(std::size_t layer, const Poll* poll);
    void forward_streamed(std::size_t layer, const Poll* poll);
    void activate(std::size_t layer, Range points, Range neurons);
    void forward_block(std::size_t layer, Range points, Range neurons, const T* turned, int worker);

    void backward(const T* direction, const Update& update, const Poll* poll);
    void backward_by_points(const Update& update, const Poll* poll);
    void descend(std::size_t layer, const Update& update, const Poll* poll);
    void descend_streamed(std::size_t layer, const Update& update, const Poll* poll);
    void descend_rows(std::size_t layer, const Update& update, const Poll* poll);
    void update_bias(std::size_t layer, Range neurons, const Update& update);
    void update_thin(std::size_t layer, Range neurons, const Update& update);
    void update_block(std::size_t layer, Range neurons, Range inputs, const Update& update, int worker);
    [[nodiscard]] Rows<const T> input(std::size_t layer) const { return layer == 0 ? x_ : after_[layer - 1].rows(); }

    std::vector<Dense<T>> layers_;
    std::vector<Nonlinearity> activations_;
    int threads_;
    std::size_t points_ = 0;
    Rows<const T> x_;
    std::vector<Buffer<T>> before_;  // α̃^1 … α̃^L
    std::vector<Buffer<T>> after_;   // α^1 … α^{L−1}
    std::vector<Buffer<T>> slope_;   // σ'(α̃), of foreign activations only: a step must not fail half-way
    std::vector<Buffer<T>> delta_;   // ∂⟨direction, f⟩/∂α̃^1 … ∂α̃^L
    Scratch<T> scratch_;
    Aligned<T> panels_;  // α^ℓ of the layer that is passed through
    Buffer<T> partial_;  // the terms of Wᵀ δ from some rows of W, points × inputs each
};

}  // namespace ntkcore
