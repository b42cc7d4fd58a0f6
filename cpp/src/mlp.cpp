#include "ntkcore/mlp.hpp"

#include <cmath>
#include <stdexcept>
#include <utility>

#include "dense/kernels.hpp"
#include "mlp_work.hpp"
#include "partition.hpp"

namespace ntkcore {

template <class T>
double Dense<T>::scale() const {
    return weight_std / std::sqrt(static_cast<double>(inputs));
}

template <class T>
Mlp<T>::Mlp(std::vector<Dense<T>> layers, std::vector<Nonlinearity> activations, int threads)
    : layers_(std::move(layers)), activations_(std::move(activations)), threads_(threads), scratch_(threads) {
    if (layers_.empty() || activations_.size() + 1 != layers_.size())
        throw std::invalid_argument("a network of depth L has L − 1 activations");
    for (std::size_t l = 0; l < depth(); ++l) {
        if (layers_[l].inputs == 0 || layers_[l].outputs == 0) throw std::invalid_argument("a layer is empty");
        if (l > 0 && layers_[l].inputs != layers_[l - 1].outputs)
            throw std::invalid_argument("the shapes of two layers do not fit together");
    }
    before_.resize(depth());
    delta_.resize(depth());
    after_.resize(depth() - 1);
    slope_.resize(depth() - 1);
}

template <class T>
std::size_t Buffer<T>::padded(std::size_t cols) {
    constexpr std::size_t kLine = 64 / sizeof(T);
    const std::size_t stride = (cols + kLine - 1) / kLine * kLine;
    // rows a power of two apart would share few places in the cache
    return stride % (16 * kLine) == 0 ? stride + kLine : stride;
}

template <class T>
void Buffer<T>::resize(std::size_t n, std::size_t cols) {
    stride_ = padded(cols);
    if (memory_.size() < n * stride_) memory_ = Aligned<T>::raw(n * stride_);
}

template <class T>
T* Scratch<T>::of(int worker) {
    Aligned<T>& mine = memory_[static_cast<std::size_t>(worker)];
    if (mine.size() == 0) mine = Aligned<T>::raw(dense::kernels<T>().scratch);
    return mine.data();
}

template <class T>
void Mlp<T>::multiply_slope(std::size_t level, std::size_t p, std::size_t n, std::size_t j, std::size_t cols,
                            Rows<T> out, T factor) const {
    const Nonlinearity& activation = activations_[level - 1];
    const Rows<const T> x = before_[level - 1].rows();
    if (!activation.foreign()) {
        return activation.template multiply_slope<T>(n, cols, {x.at(p, j), x.stride}, out, factor);
    }
    const Rows<const T> slope = slope_[level - 1].rows();
    for (std::size_t r = 0; r < n; ++r) {
        for (std::size_t c = 0; c < cols; ++c) *out.at(r, c) *= factor * *slope.at(p + r, j + c);
    }
}

template <class T>
void Mlp<T>::forward(std::size_t n, Rows<const T> x, const Poll* poll) {
    points_ = 0;  // none, should this pass be stopped
    x_ = x;
    for (std::size_t l = 0; l < depth(); ++l) {
        before_[l].resize(n, layers_[l].outputs);
        if (l + 1 == depth()) break;
        after_[l].resize(n, layers_[l].outputs);
        if (activations_[l].foreign()) slope_[l].resize(n, layers_[l].outputs);
    }
    points_ = n;
    try {
        if (by_points()) return forward_by_points(poll);
        for (std::size_t l = 0; l < depth() && n > 0; ++l) forward_layer(l, poll);
    } catch (...) {
        points_ = 0;
        throw;
    }
}

template <class T>
bool Mlp<T>::by_points() const {
    std::size_t weights = 0;
    bool borrowed = false;
    for (const Dense<T>& layer : layers_) {
        weights += layer.inputs * layer.outputs;
        borrowed = borrowed || use_blas(points_, layer);
    }
    return points_ > dense::kFusedPoints && weights * sizeof(T) <= kNear && !borrowed;
}

template <class T>
void Mlp<T>::forward_by_points(const Poll* poll) {
    std::vector<Aligned<T>> turned(depth());
    std::size_t weights = 0;
    for (std::size_t l = 0; l < depth(); ++l) {
        weights += layers_[l].inputs * layers_[l].outputs;
        if (thin<T>(layers_[l].inputs))
            turned[l] = transposed<T>(layers_[l].weight, layers_[l].outputs, layers_[l].inputs);
    }
    const Parts groups = point_groups(points_);
    const auto task = [&](std::size_t index, int worker, Work&) {
        for (std::size_t l = 0; l < depth(); ++l)
            forward_block(l, groups[index], {0, layers_[l].outputs}, turned[l].data(), worker);
    };
    run_tasks(groups.count(), points_ * weights, threads_, task, poll);
}

// Each task owns some neurons at some points.
template <class T>
void Mlp<T>::forward_layer(std::size_t l, const Poll* poll) {
    const Dense<T>& layer = layers_[l];
    if (streams(points_, layer)) return forward_streamed(l, poll);
    const Parts neurons = forward_parts<T>(points_, layer);
    const bool turn = thin<T>(layer.inputs);
    const Parts points = use_blas(points_, layer) ? even_parts(points_, kBlasPoints)
                         : turn ? Parts{points_, points_}
                                : even_parts(points_, use_panels(points_, layer.outputs) ? kBlasPoints : kPointBlock);
    const auto task = [&](std::size_t index, int worker, Work&) {
        const Range i = neurons[index / points.count()];
        const Aligned<T> turned =
            turn ? transposed<T>(layer.weight + i.begin * layer.inputs, i.size(), layer.inputs) : Aligned<T>{};
        forward_block(l, points[index % points.count()], i, turned.data(), worker);
    };
    run_tasks(neurons.count() * points.count(), points_ * layer.inputs * layer.outputs, threads_, task, poll);
}

// W passes through once, beside panels of α that are made once: W αᵀ, which is turned back when it is small.
template <class T>
void Mlp<T>::forward_streamed(std::size_t l, const Poll* poll) {
    const Dense<T>& layer = layers_[l];
    const dense::Kernels<T>& kernels = dense::kernels<T>();
    const Rows<const T> in = input(l);
    const std::size_t k = layer.inputs;
    const Parts panels{points_, kernels.panel};
    const Parts terms{k, 2048};
    const std::size_t width = panels.count() * panels.part;
    if (panels_.size() < width * k) panels_ = Aligned<T>::raw(width * k);
    const auto pack = [&](std::size_t index, int, Work&) {
        const Range p = panels[index % panels.count()];
        const Range t = terms[index / panels.count()];
        kernels.pack_columns(t.size(), p.size(), in.at(p.begin, t.begin), in.stride,
                             panels_.data() + p.begin * k + t.begin * panels.part);
    };
    run_tasks(panels.count() * terms.count(), points_ * k, threads_, pack);
    const Parts neurons = stream_rows<T>(width, layer);
    const auto task = [&](std::size_t index, int worker, Work&) {
        const Range i = neurons[index];
        T* const z = scratch_.of(worker);
        kernels.rows_by_panels({i.size(), points_, k, layer.weight + i.begin * k, k, panels_.data(), z, width});
        const Rows<T> before = before_[l].rows();
        for (std::size_t p = 0; p < points_; ++p) {
            T* const out = before.at(p, i.begin);
            for (std::size_t r = 0; r < i.size(); ++r) out[r] = z[r * width + p];
        }
        activate(l, {0, points_}, i);
    };
    run_tasks(neurons.count(), points_ * k * layer.outputs, threads_, task, poll);
}

// α̃^{ℓ+1} and α^{ℓ+1} of the neurons i at the points p, from α^ℓ. `turned`: Wᵀ, inputs × neurons, of thin layers.
template <class T>
void Mlp<T>::forward_block(std::size_t l, Range p, Range i, const T* turned, int worker) {
    const Dense<T>& layer = layers_[l];
    const dense::Kernels<T>& kernels = dense::kernels<T>();
    const Rows<const T> in = input(l);
    const Rows<T> before = before_[l].rows();
    const T* const w = layer.weight + i.begin * layer.inputs;
    T* const out = before.at(p.begin, i.begin);
    if (thin<T>(layer.inputs)) {
        kernels.outer({p.size(), i.size(), layer.inputs, in.at(p.begin, 0), in.stride, 1, turned, i.size(), out,
                       before.stride, T(1), T(0)});
    } else if (use_blas(points_, layer)) {
        gemm_nt(p.size(), i.size(), layer.inputs, in.at(p.begin, 0), in.stride, w, layer.inputs, out, before.stride);
    } else if (use_panels(p.size(), layer.outputs) && !by_points()) {
        kernels.product({p.size(), i.size(), layer.inputs, in.at(p.begin, 0), in.stride, 1, w, 1, layer.inputs, out,
                         before.stride, T(1), T(0), scratch_.of(worker)});
    } else {
        kernels.dot(
            {p.size(), i.size(), layer.inputs, in.at(p.begin, 0), in.stride, w, layer.inputs, out, before.stride});
    }
    activate(l, p, i);
}

// α̃^{ℓ+1} and α^{ℓ+1} from W α^ℓ.
template <class T>
void Mlp<T>::activate(std::size_t l, Range p, Range i) {
    const Dense<T>& layer = layers_[l];
    const Rows<T> before = before_[l].rows();
    T* const out = before.at(p.begin, i.begin);
    dense::kernels<T>().affine(p.size(), i.size(), out, before.stride, static_cast<T>(layer.scale()),
                               layer.bias + i.begin, static_cast<T>(layer.bias_std));
    if (l + 1 == depth()) return;
    const Rows<const T> x{out, before.stride};
    const Rows<T> after = after_[l].rows();
    activations_[l].template value<T>(p.size(), i.size(), x, {after.at(p.begin, i.begin), after.stride});
    if (!activations_[l].foreign()) return;
    const Rows<T> slope{slope_[l].rows().at(p.begin, i.begin), slope_[l].rows().stride};
    for (std::size_t r = 0; r < p.size(); ++r) std::fill_n(slope.at(r, 0), i.size(), T(1));
    activations_[l].template multiply_slope<T>(p.size(), i.size(), x, slope, T(1));
}

template struct Dense<float>;
template struct Dense<double>;
template class Buffer<float>;
template class Buffer<double>;
template class Scratch<float>;
template class Scratch<double>;
template class Mlp<float>;
template class Mlp<double>;

}  // namespace ntkcore
