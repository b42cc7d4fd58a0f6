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
    // all memory there is need of
    for (std::size_t l = 0; l < depth(); ++l) {
        delta_[l].resize(points_, layers_[l].outputs);
        if (l > 0 && points_ <= dense::kFusedPoints)
            partial_.resize(row_parts(layers_[l]).count() * points_, layers_[l].inputs);
    }
    const std::size_t outputs = layers_.back().outputs;
    const Rows<T> last = delta_.back().rows();
    for (std::size_t p = 0; p < points_; ++p) std::copy_n(direction + p * outputs, outputs, last.at(p, 0));
    if (by_points()) return backward_by_points(update, poll);
    for (std::size_t l = depth(); l-- > 0;) {
        const Dense<T>& layer = layers_[l];
        if (!update.none) {
            const Parts parts{layer.outputs, 1024};
            const auto task = [&](std::size_t index, int, Work&) { update_bias(l, parts[index], update); };
            run_tasks(parts.count(), points_ * layer.outputs / 4, threads_, task);
        }
        if (l == 0 && thin<T>(layer.inputs)) {
            if (update.none) return;
            const Parts parts{layer.outputs, 256};
            const auto task = [&](std::size_t index, int, Work&) { update_thin(l, parts[index], update); };
            run_tasks(parts.count(), points_ * layer.inputs * layer.outputs, threads_, task);
        } else if (points_ <= dense::kFusedPoints) {
            descend_rows(l, update, poll);
        } else if (streams(points_, layer)) {
            descend_streamed(l, update, poll);
        } else {
            descend(l, update, poll);
        }
    }
}

// First δ of all layers, each task at its own points; then the updates, each task of its own rows.
template <class T>
void Mlp<T>::backward_by_points(const Update& update, const Poll* poll) {
    constexpr std::size_t kTerms = 512;            // of a sum that stays in registers
    constexpr std::size_t kLine = 64 / sizeof(T);  // so many rows are whole cache lines
    const dense::Kernels<T>& kernels = dense::kernels<T>();
    const Parts groups = point_groups(points_);
    const auto propagated = [&](std::size_t index, int, Work&) {
        const Range p = groups[index];
        for (std::size_t l = depth() - 1; l > 0; --l) {
            const Dense<T>& layer = layers_[l];
            const Rows<const T> delta = delta_[l].rows();
            const Rows<T> below{delta_[l - 1].rows().at(p.begin, 0), delta_[l - 1].rows().stride};
            const Parts rows{layer.outputs, kTerms};
            for (std::size_t b = 0; b < rows.count(); ++b) {
                const Range i = rows[b];
                kernels.outer({p.size(), layer.inputs, i.size(), delta.at(p.begin, i.begin), delta.stride, 1,
                               layer.weight + i.begin * layer.inputs, layer.inputs, below.data, below.stride, T(1),
                               b == 0 ? T(0) : T(1)});
            }
            multiply_slope(l, p.begin, p.size(), 0, layer.inputs, below, static_cast<T>(layer.scale()));
        }
    };
    std::vector<Parts> parts;
    std::vector<std::size_t> ends;
    std::size_t tasks = 0;
    std::size_t weights = 0;
    for (const Dense<T>& layer : layers_) {
        weights += layer.inputs * layer.outputs;
        parts.push_back(thin<T>(layer.inputs) ? Parts{layer.outputs, 256}
                                              : unit_parts(layer.outputs, kLine, 16, 64 / kLine));
        ends.push_back(tasks += parts.back().count());
    }
    const auto updated = [&](std::size_t index, int worker, Work&) {
        std::size_t l = 0;
        while (index >= ends[l]) ++l;
        const Range i = parts[l][index - (ends[l] - parts[l].count())];
        update_bias(l, i, update);
        if (thin<T>(layers_[l].inputs)) return update_thin(l, i, update);
        update_block(l, i, {0, layers_[l].inputs}, update, worker);
    };
    run_tasks(groups.count(), points_ * weights, threads_, propagated, poll);
    if (!update.none) run_tasks(tasks, points_ * weights, threads_, updated);
}

// ∂/∂b = σ_b Σ_p δ_p
template <class T>
void Mlp<T>::update_bias(std::size_t l, Range i, const Update& update) {
    const Dense<T>& layer = layers_[l];
    const dense::Kernels<T>& kernels = dense::kernels<T>();
    const Rows<const T> delta = delta_[l].rows();
    const Target<T> to =
        target<T>(update, layer.bias, update.gradient != nullptr ? update.gradient->biases[l] : nullptr,
                  update.velocity != nullptr ? update.velocity->biases[l] : nullptr, static_cast<T>(layer.bias_std));
    const T one = 1;
    kernels.outer({1, i.size(), points_, &one, 0, 0, delta.at(0, i.begin), delta.stride, to.c + i.begin, layer.outputs,
                   to.alpha, to.beta});
    if (to.theta != nullptr)
        kernels.add(1, i.size(), to.rate, to.c + i.begin, layer.outputs, to.theta + i.begin, layer.outputs);
}

// Few inputs: the transposed gradient αᵀ δ has long rows.
template <class T>
void Mlp<T>::update_thin(std::size_t l, Range i, const Update& update) {
    const std::size_t k = layers_[l].inputs;
    const dense::Kernels<T>& kernels = dense::kernels<T>();
    const Rows<const T> delta = delta_[l].rows();
    const Rows<const T> in = input(l);
    const Target<T> to = weight_target<T>(update, layers_[l], l);
    Aligned<T> g = Aligned<T>::raw(k * i.size());
    kernels.outer({k, i.size(), points_, in.data, 1, in.stride, delta.at(0, i.begin), delta.stride, g.data(), i.size(),
                   to.alpha, T(0)});
    for (std::size_t r = 0; r < i.size(); ++r) {
        T* const c = to.c + (i.begin + r) * k;
        for (std::size_t j = 0; j < k; ++j) c[j] = (to.beta == 0 ? T(0) : to.beta * c[j]) + g[j * i.size() + r];
        if (to.theta != nullptr) kernels.add(1, k, to.rate, c, k, to.theta + (i.begin + r) * k, k);
    }
}

// ∂/∂W = (σ_w/√n_ℓ) Σ_p δ_p α_pᵀ, of the rows i and the columns j
template <class T>
void Mlp<T>::update_block(std::size_t l, Range i, Range j, const Update& update, int worker) {
    const dense::Kernels<T>& kernels = dense::kernels<T>();
    const Rows<const T> delta = delta_[l].rows();
    const Rows<const T> in = input(l);
    const Target<T> to = weight_target<T>(update, layers_[l], l);
    const std::size_t ld = layers_[l].inputs;
    const std::size_t at = i.begin * ld + j.begin;
    if (use_panels(points_, j.size())) {
        kernels.product({i.size(), j.size(), points_, delta.at(0, i.begin), 1, delta.stride, in.at(0, j.begin),
                         in.stride, 1, to.c + at, ld, to.alpha, to.beta, scratch_.of(worker)});
    } else {
        kernels.outer({i.size(), j.size(), points_, delta.at(0, i.begin), 1, delta.stride, in.at(0, j.begin), in.stride,
                       to.c + at, ld, to.alpha, to.beta, i.begin + kFewRows < layers_[l].outputs ? kFewRows : 0});
    }
    if (to.theta != nullptr) kernels.add(i.size(), j.size(), to.rate, to.c + at, ld, to.theta + at, ld);
}

// Few points: one task owns some rows of W, which pass through once and in the order of memory, and
// its own sum of their terms of δ^ℓ.
template <class T>
void Mlp<T>::descend_rows(std::size_t l, const Update& update, const Poll* poll) {
    if (l == 0 && update.none) return;
    const Dense<T>& layer = layers_[l];
    const dense::Kernels<T>& kernels = dense::kernels<T>();
    const Rows<const T> delta = delta_[l].rows();
    const Rows<const T> in = input(l);
    const std::size_t ld = layer.inputs;
    const Parts rows = row_parts(layer);
    const bool plain = !update.none && update.gradient == nullptr && update.velocity == nullptr;
    const bool fused = l > 0 && plain && points_ <= dense::kFusedPoints;
    const Parts columns{ld, (fused ? 2048 : 16384) / sizeof(T)};  // with their part of all sums in the first caches
    const T alpha = weight_target<T>(update, layer, l).alpha;
    if (l > 0) partial_.resize(rows.count() * points_, ld);  // there is the memory already

    const auto task = [&](std::size_t index, int worker, Work&) {
        const Rows<T> sum{l > 0 ? partial_.rows().at(index * points_, 0) : nullptr, partial_.rows().stride};
        for (std::size_t c = 0; c < columns.count(); ++c) {
            const Range j = columns[c];
            if (fused) {
                const Range i = rows[index];
                for (std::size_t p = 0; p < points_; ++p) std::fill_n(sum.at(p, j.begin), j.size(), T(0));
                kernels.fused({i.size(), j.size(), points_, delta.at(0, i.begin), delta.stride, in.at(0, j.begin),
                               in.stride, alpha, layer.weight + i.begin * ld + j.begin, ld, sum.at(0, j.begin),
                               sum.stride});
                continue;
            }
            for (Range i{rows[index].begin, 0}; i.begin < rows[index].end; i.begin = i.end) {
                i.end = std::min(i.begin + kFewRows, rows[index].end);
                if (l > 0)
                    kernels.outer({points_, j.size(), i.size(), delta.at(0, i.begin), delta.stride, 1,
                                   layer.weight + i.begin * ld + j.begin, ld, sum.at(0, j.begin), sum.stride, T(1),
                                   i.begin == rows[index].begin ? T(0) : T(1)});
                if (!update.none) update_block(l, i, j, update, worker);
            }
        }
    };
    run_tasks(rows.count(), points_ * ld * layer.outputs, threads_, task, poll);
    if (l == 0) return;

    const Rows<T> below = delta_[l - 1].rows();
    const Rows<const T> sums = partial_.rows();
    const Parts parts = unit_parts(ld, 64 / sizeof(T), 16, 64);
    const auto added = [&](std::size_t index, int, Work&) {
        const Range j = parts[index];
        const Rows<T> out{below.at(0, j.begin), below.stride};
        for (std::size_t p = 0; p < points_; ++p) std::copy_n(sums.at(p, j.begin), j.size(), out.at(p, 0));
        for (std::size_t t = 1; t < rows.count(); ++t)
            kernels.add(points_, j.size(), T(1), sums.at(t * points_, j.begin), sums.stride, out.data, out.stride);
        multiply_slope(l, 0, points_, j.begin, j.size(), out, static_cast<T>(layer.scale()));
    };
    run_tasks(parts.count(), rows.count() * points_ * ld, threads_, added);
}

// Tens of points: one task owns long runs of the rows of W, blocks of which are used twice while the next is on its
// way.
template <class T>
void Mlp<T>::descend_streamed(std::size_t l, const Update& update, const Poll* poll) {
    if (l == 0 && update.none) return;
    const Dense<T>& layer = layers_[l];
    const dense::Kernels<T>& kernels = dense::kernels<T>();
    const Rows<const T> delta = delta_[l].rows();
    const Rows<const T> in = input(l);
    const Rows<T> below = l > 0 ? delta_[l - 1].rows() : Rows<T>{};
    const Target<T> to = weight_target<T>(update, layer, l);
    const Parts columns = stream_columns<T>(points_, layer);
    const Parts rows = even_parts(layer.outputs, kStreamBlock);
    const std::size_t ld = layer.inputs;
    const auto task = [&](std::size_t index, int worker, Work&) {
        const Range j = columns[index];
        T* const scratch = scratch_.of(worker);
        T* const panels = scratch + kPassScratch;
        if (!update.none) kernels.pack_rows(points_, j.size(), in.at(0, j.begin), in.stride, panels);
        for (std::size_t b = 0; b < rows.count(); ++b) {
            const Range i = rows[b];
            const std::size_t at = i.begin * ld + j.begin;
            kernels.pass_block({i.size(), j.size(), points_, layer.weight + at, ld, delta.at(0, i.begin), delta.stride,
                                l > 0 ? below.at(0, j.begin) : nullptr, below.stride, b == 0, panels,
                                update.none ? nullptr : to.c + at, to.alpha, to.beta,
                                b + 1 < rows.count() ? rows[b + 1].size() : 0, scratch});
            if (to.theta != nullptr) kernels.add(i.size(), j.size(), to.rate, to.c + at, ld, to.theta + at, ld);
        }
        if (l == 0) return;
        multiply_slope(l, 0, points_, j.begin, j.size(), {below.at(0, j.begin), below.stride},
                       static_cast<T>(layer.scale()));
    };
    run_tasks(columns.count(), points_ * ld * layer.outputs, threads_, task, poll);
}

// Many points: one task owns some columns J of W, and with them the components J of δ^ℓ.
template <class T>
void Mlp<T>::descend(std::size_t l, const Update& update, const Poll* poll) {
    if (l == 0 && update.none) return;
    const Dense<T>& layer = layers_[l];
    const dense::Kernels<T>& kernels = dense::kernels<T>();
    const Rows<const T> delta = delta_[l].rows();
    const Rows<const T> in = input(l);
    const Rows<T> below = l > 0 ? delta_[l - 1].rows() : Rows<T>{};
    const Parts columns = backward_parts<T>(points_, layer);
    const std::size_t ld = layer.inputs;
    const bool near = layer.outputs * ld * sizeof(T) <= kCached;
    const Parts rows = even_parts(layer.outputs, near ? layer.outputs : kRowBlock);

    const auto blocked = [&](Range j, int worker) {
        for (std::size_t b = 0; b < rows.count(); ++b) {
            const Range i = rows[b];
            if (l > 0) {
                const std::size_t ahead = b + 1 < rows.count() ? rows[b + 1].size() * ld : 0;
                kernels.product({points_, j.size(), i.size(), delta.at(0, i.begin), delta.stride, 1,
                                 layer.weight + i.begin * ld + j.begin, ld, 1, below.at(0, j.begin), below.stride, T(1),
                                 b == 0 ? T(0) : T(1), scratch_.of(worker), ahead});
            }
            if (!update.none) update_block(l, i, j, update, worker);
        }
    };
    const auto borrowed = [&](Range j) {
        if (l > 0) {
            gemm_nn(points_, j.size(), layer.outputs, T(1), delta.data, delta.stride, layer.weight + j.begin, ld, T(0),
                    below.at(0, j.begin), below.stride);
        }
        if (update.none) return;
        const Target<T> to = weight_target<T>(update, layer, l);
        gemm_tn(layer.outputs, j.size(), points_, to.alpha, delta.data, delta.stride, in.at(0, j.begin), in.stride,
                to.beta, to.c + j.begin, ld);
        if (to.theta != nullptr)
            kernels.add(layer.outputs, j.size(), to.rate, to.c + j.begin, ld, to.theta + j.begin, ld);
    };
    const auto task = [&](std::size_t index, int worker, Work&) {
        const Range j = columns[index];
        if (use_blas(points_, layer)) {
            borrowed(j);
        } else {
            blocked(j, worker);
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
