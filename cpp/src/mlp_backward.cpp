// The backward pass, fused with the update of the weights: δ^ℓ = (σ_w/√n_ℓ) W^ℓᵀ δ^{ℓ+1} ∘ σ'(α̃^ℓ) takes a block of
// W^ℓ into the cache, and W^ℓ ← W^ℓ + η (σ_w/√n_ℓ) δ^{ℓ+1} α^ℓᵀ changes it there.
#include <algorithm>

#include "dense/kernels.hpp"
#include "mlp_work.hpp"
#include "ntkcore/mlp.hpp"

namespace ntkcore {

// How a gradient is used: written, or added to the parameters, with or without velocities.
template <class T>
struct Mlp<T>::Update {
    bool none = false;                        // δ alone
    const Parameters<T>* gradient = nullptr;  // of a gradient
    bool add = false;                         // to what is there
    const Parameters<T>* velocity = nullptr;  // of a step with momentum
    T rate = 1, momentum = 0;
};

namespace {

// What becomes of a gradient a·ΣAB: C ← β C + a·ΣAB, and then θ ← θ + rate·C where C is a velocity.
template <class T>
struct Target {
    T* c;
    T* theta;  // null: C is it
    T alpha, beta, rate;
};

template <class T, class Update>
Target<T> target(const Update& update, T* theta, T* gradient, T* velocity, T scale) {
    if (update.none) return {};
    if (update.gradient != nullptr) return {gradient, nullptr, scale, update.add ? T(1) : T(0), T(0)};
    if (update.velocity != nullptr) return {velocity, theta, scale, update.momentum, update.rate};
    return {theta, nullptr, update.rate * scale, T(1), T(0)};
}

template <class T, class Update>
Target<T> weight_target(const Update& update, const Dense<T>& layer, std::size_t l) {
    return target<T>(update, layer.weight, update.gradient != nullptr ? update.gradient->weights[l] : nullptr,
                     update.velocity != nullptr ? update.velocity->weights[l] : nullptr, static_cast<T>(layer.scale()));
}

}  // namespace

template <class T>
void Mlp<T>::gradient(const T* direction, const Parameters<T>& to, const Poll* poll) {
    Update update;
    update.gradient = &to;
    backward(direction, update, poll);
}

template <class T>
void Mlp<T>::add_gradient(const T* direction, const Parameters<T>& to, const Poll* poll) {
    Update update;
    update.gradient = &to;
    update.add = true;
    backward(direction, update, poll);
}

template <class T>
void Mlp<T>::propagate(const T* direction, const Poll* poll) {
    Update update;
    update.none = true;
    backward(direction, update, poll);
}

template <class T>
void Mlp<T>::step(const T* direction, T rate) {
    Update update;
    update.rate = rate;
    backward(direction, update, nullptr);
}

template <class T>
void Mlp<T>::step(const T* direction, T rate, T momentum, const Parameters<T>& velocity) {
    Update update;
    update.velocity = &velocity;
    update.rate = rate;
    update.momentum = momentum;
    backward(direction, update, nullptr);
}

template <class T>
void Mlp<T>::backward(const T* direction, const Update& update, const Poll* poll) {
    for (std::size_t l = 0; l < depth(); ++l)
        delta_[l].resize(points_, layers_[l].outputs);  // all memory there is need of
    const std::size_t outputs = layers_.back().outputs;
    const Rows<T> last = delta_.back().rows();
    for (std::size_t p = 0; p < points_; ++p) std::copy_n(direction + p * outputs, outputs, last.at(p, 0));
    for (std::size_t l = depth(); l-- > 0;) {
        if (!update.none) descend_bias(l, update);
        if (l > 0 || !thin<T>(layers_[0].inputs)) {
            descend(l, update, poll);
        } else if (!update.none) {
            descend_thin(l, update);
        }
    }
}

// ∂/∂b = σ_b Σ_p δ_p
template <class T>
void Mlp<T>::descend_bias(std::size_t l, const Update& update) {
    const Dense<T>& layer = layers_[l];
    const Rows<const T> delta = delta_[l].rows();
    const Target<T> to =
        target<T>(update, layer.bias, update.gradient != nullptr ? update.gradient->biases[l] : nullptr,
                  update.velocity != nullptr ? update.velocity->biases[l] : nullptr, static_cast<T>(layer.bias_std));
    const Parts parts{layer.outputs, 1024};
    const auto task = [&](std::size_t index, int, Work&) {
        const Range i = parts[index];
        const T one = 1;
        const dense::Kernels<T>& kernels = dense::kernels<T>();
        kernels.outer({1, i.size(), points_, &one, 0, 0, delta.at(0, i.begin), delta.stride, to.c + i.begin,
                       layer.outputs, to.alpha, to.beta});
        if (to.theta != nullptr)
            kernels.add(1, i.size(), to.rate, to.c + i.begin, layer.outputs, to.theta + i.begin, layer.outputs);
    };
    run_tasks(parts.count(), points_ * layer.outputs / 4, threads_, task);
}

// Few inputs: the transposed gradient αᵀ δ has long rows. There is no layer below.
template <class T>
void Mlp<T>::descend_thin(std::size_t l, const Update& update) {
    const Dense<T>& layer = layers_[l];
    const Rows<const T> delta = delta_[l].rows();
    const Rows<const T> in = input(l);
    const Target<T> to = weight_target<T>(update, layer, l);
    const Parts parts{layer.outputs, 256};
    const auto task = [&](std::size_t index, int, Work&) {
        const Range i = parts[index];
        const std::size_t k = layer.inputs;
        Aligned<T> g = Aligned<T>::raw(k * i.size());
        dense::kernels<T>().outer({k, i.size(), points_, in.data, 1, in.stride, delta.at(0, i.begin), delta.stride,
                                   g.data(), i.size(), to.alpha, T(0)});
        for (std::size_t r = 0; r < i.size(); ++r) {
            T* const c = to.c + (i.begin + r) * k;
            for (std::size_t j = 0; j < k; ++j) c[j] = (to.beta == 0 ? T(0) : to.beta * c[j]) + g[j * i.size() + r];
            if (to.theta != nullptr) dense::kernels<T>().add(1, k, to.rate, c, k, to.theta + (i.begin + r) * k, k);
        }
    };
    run_tasks(parts.count(), points_ * layer.inputs * layer.outputs, threads_, task);
}

// One task owns some columns J of W, and with them the components J of δ^ℓ.
template <class T>
void Mlp<T>::descend(std::size_t l, const Update& update, const Poll* poll) {
    if (l == 0 && update.none) return;
    const Dense<T>& layer = layers_[l];
    const dense::Kernels<T>& kernels = dense::kernels<T>();
    const Rows<const T> delta = delta_[l].rows();
    const Rows<const T> in = input(l);
    const Rows<T> below = l > 0 ? delta_[l - 1].rows() : Rows<T>{};
    const Target<T> to = weight_target<T>(update, layer, l);
    const Parts columns = backward_parts<T>(points_, layer);
    const Parts rows{layer.outputs, kRowBlock};
    const Parts points = even_parts(points_, kPointBlock);
    const std::size_t ld = layer.inputs;

    const bool plain = !update.none && update.gradient == nullptr && update.velocity == nullptr;
    const bool few = l > 0 && plain && points_ <= dense::kFusedPoints;

    const auto fused = [&](Range j) {
        for (std::size_t p = 0; p < points_; ++p) std::fill_n(below.at(p, j.begin), j.size(), T(0));
        kernels.fused({layer.outputs, j.size(), points_, delta.data, delta.stride, in.at(0, j.begin), in.stride,
                       to.alpha, layer.weight + j.begin, ld, below.at(0, j.begin), below.stride});
    };
    const auto blocked = [&](Range j) {
        for (std::size_t b = 0; b < rows.count(); ++b) {
            const Range i = rows[b];
            const std::size_t at = i.begin * ld + j.begin;
            for (std::size_t g = 0; l > 0 && g < points.count(); ++g) {
                const Range p = points[g];
                kernels.outer({p.size(), j.size(), i.size(), delta.at(p.begin, i.begin), delta.stride, 1,
                               layer.weight + at, ld, below.at(p.begin, j.begin), below.stride, T(1),
                               b == 0 ? T(0) : T(1)});
            }
            for (std::size_t g = 0; !update.none && g < points.count(); ++g) {
                const Range p = points[g];
                kernels.outer({i.size(), j.size(), p.size(), delta.at(p.begin, i.begin), 1, delta.stride,
                               in.at(p.begin, j.begin), in.stride, to.c + at, ld, to.alpha, g == 0 ? to.beta : T(1),
                               g == 0 && b + 1 < rows.count() ? kRowBlock : 0});
            }
            if (to.theta != nullptr) kernels.add(i.size(), j.size(), to.rate, to.c + at, ld, to.theta + at, ld);
        }
    };
    const auto borrowed = [&](Range j) {
        if (l > 0) {
            gemm_nn(points_, j.size(), layer.outputs, T(1), delta.data, delta.stride, layer.weight + j.begin, ld, T(0),
                    below.at(0, j.begin), below.stride);
        }
        if (update.none) return;
        gemm_tn(layer.outputs, j.size(), points_, to.alpha, delta.data, delta.stride, in.at(0, j.begin), in.stride,
                to.beta, to.c + j.begin, ld);
        if (to.theta != nullptr)
            kernels.add(layer.outputs, j.size(), to.rate, to.c + j.begin, ld, to.theta + j.begin, ld);
    };
    const auto task = [&](std::size_t index, int, Work&) {
        const Range j = columns[index];
        if (use_blas(points_, layer)) {
            borrowed(j);
        } else if (few) {
            fused(j);
        } else {
            blocked(j);
        }
        if (l == 0) return;
        multiply_slope(l, 0, points_, j.begin, j.size(), {below.at(0, j.begin), below.stride},
                       static_cast<T>(layer.scale()));
    };
    run_tasks(columns.count(), points_ * layer.inputs * layer.outputs, threads_, task, poll);
}

template class Mlp<float>;
template class Mlp<double>;

}  // namespace ntkcore
