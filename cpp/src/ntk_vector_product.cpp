// Θ V = J (Jᵀ V). With δ = ∂⟨V, f⟩/∂α̃, the tangents of the preactivations along Jᵀ V are
//   t^{ℓ+1} = (σ_w/√n_ℓ) W^ℓ (σ'(α̃^ℓ) ∘ t^ℓ) + Σ_{x'} K^ℓ(x, x') δ^{ℓ+1}(x'),   K^ℓ = σ_w²/n_ℓ α^ℓ·α^ℓ' + σ_b²,
// and t^L = Θ V. For more points than are held at once, the sum over x' is α^ℓ times the gradient itself.
#include <algorithm>
#include <vector>

#include "dense/kernels.hpp"
#include "mlp_work.hpp"
#include "ntk_work.hpp"
#include "ntkcore/empirical_ntk.hpp"
#include "products.hpp"

namespace ntkcore {
namespace {

template <class T>
void copy_out(Rows<const T> from, std::size_t n, std::size_t cols, T* out) {
    for (std::size_t p = 0; p < n; ++p) std::copy_n(from.at(p, 0), cols, out + p * cols);
}

// All points at once: by K^ℓ, n × n numbers.
template <class T>
void by_kernels(Mlp<T>& mlp, std::size_t n, Rows<const T> x, const T* v, T* out, Stages& stages) {
    const double cost = multiplications(mlp) * static_cast<double>(n);
    mlp.forward(n, x, stages.next(cost));
    mlp.propagate(v, stages.next(cost));
    Buffer<T> kernel;
    kernel.resize(n, n);
    Buffer<T> tangent;
    for (std::size_t l = 0; l < mlp.depth(); ++l) {
        const Dense<T>& layer = mlp.layers()[l];
        const Poll* const poll = stages.next(cost / static_cast<double>(mlp.depth()));
        const T weight = static_cast<T>(layer.scale() * layer.scale());
        const T bias = static_cast<T>(layer.bias_std * layer.bias_std);
        const Rows<T> k = kernel.rows();
        const Rows<const T> alpha = l == 0 ? x : mlp.activation(l);
        multiply_nt<T>(n, n, layer.inputs, alpha, alpha, k, false, mlp.threads(), poll, [&](Range i, Range j) {
            for (std::size_t p = i.begin; p < i.end; ++p) {
                for (std::size_t q = j.begin; q < j.end; ++q) *k.at(p, q) = weight * *k.at(p, q) + bias;
            }
        });
        Buffer<T> next;
        next.resize(n, layer.outputs);
        if (l > 0) {
            multiply_nt<T>(n, layer.outputs, layer.inputs, tangent.rows(), {layer.weight, layer.inputs}, next.rows(),
                           false, mlp.threads(), poll, {});
        }
        multiply_nn<T>(n, layer.outputs, n, T(1), k, mlp.delta(l + 1), l > 0 ? T(1) : T(0), next.rows(), mlp.threads(),
                       poll, {});
        if (l + 1 < mlp.depth()) {
            mlp.multiply_slope(l + 1, 0, n, 0, layer.outputs, next.rows(), static_cast<T>(mlp.layers()[l + 1].scale()));
        }
        tangent = std::move(next);
    }
    copy_out<T>(tangent.rows(), n, mlp.layers().back().outputs, out);
}

// Jᵀ V, summed over blocks.
template <class T>
struct Gradient {
    explicit Gradient(const Mlp<T>& mlp) {
        for (const Dense<T>& layer : mlp.layers()) {
            memory.emplace_back(layer.inputs * layer.outputs);
            view.weights.push_back(memory.back().data());
            memory.emplace_back(layer.outputs);
            view.biases.push_back(memory.back().data());
        }
    }
    std::vector<Aligned<T>> memory;
    Parameters<T> view;
};

// The tangents along the gradient at the points of the last forward pass.
template <class T>
void along_gradient(const Mlp<T>& mlp, std::size_t n, Rows<const T> x, const Parameters<T>& gradient, T* out,
                    const Poll* poll) {
    Buffer<T> tangent;
    for (std::size_t l = 0; l < mlp.depth(); ++l) {
        const Dense<T>& layer = mlp.layers()[l];
        Buffer<T> next;
        next.resize(n, layer.outputs);
        const Rows<T> to = next.rows();
        if (l > 0) {
            multiply_nt<T>(n, layer.outputs, layer.inputs, tangent.rows(), {layer.weight, layer.inputs}, to, false,
                           mlp.threads(), poll, {});
        }
        const T scale = static_cast<T>(layer.scale());
        const T shift = static_cast<T>(layer.bias_std);
        multiply_nt<T>(n, layer.outputs, layer.inputs, l == 0 ? x : mlp.activation(l),
                       {gradient.weights[l], layer.inputs}, to, l > 0, mlp.threads(), poll, [&](Range i, Range j) {
                           dense::kernels<T>().affine(i.size(), j.size(), to.at(i.begin, j.begin), to.stride, scale,
                                                      gradient.biases[l] + j.begin, shift);
                       });
        if (l + 1 < mlp.depth()) mlp.multiply_slope(l + 1, 0, n, 0, layer.outputs, to, T(1));
        tangent = std::move(next);
    }
    copy_out<T>(tangent.rows(), n, mlp.layers().back().outputs, out);
}

}  // namespace

template <class T>
void ntk_vector_product(const Mlp<T>& like, std::size_t n, Rows<const T> x, const T* v, T* out, const Poll* poll,
                        std::size_t memory) {
    if (n == 0) return;
    Mlp<T> mlp(like.layers(), like.activations(), like.threads());
    const std::size_t k = mlp.layers().back().outputs;
    const std::size_t held = std::max<std::size_t>(1, memory / bytes_per_point(mlp, 3));
    std::size_t widest = 0;
    for (const Dense<T>& layer : mlp.layers()) widest = std::max({widest, layer.inputs, layer.outputs});
    const double cost = multiplications(mlp) * static_cast<double>(n);
    if (n <= std::min(held, widest)) {
        Stages stages(poll, 3 * cost);
        by_kernels(mlp, n, x, v, out, stages);
        return stages.finish();
    }
    Stages stages(poll, 6 * cost);
    const Parts blocks = even_parts(n, held);
    const auto points = [&](Range p) { return Rows<const T>{x.at(p.begin, 0), x.stride}; };
    Gradient<T> gradient(mlp);
    for (std::size_t b = 0; b < blocks.count(); ++b) {
        const Range p = blocks[b];
        const double part = multiplications(mlp) * static_cast<double>(p.size());
        mlp.forward(p.size(), points(p), stages.next(part));
        mlp.add_gradient(v + p.begin * k, gradient.view, stages.next(2 * part));
    }
    for (std::size_t b = 0; b < blocks.count(); ++b) {
        const Range p = blocks[b];
        const double part = multiplications(mlp) * static_cast<double>(p.size());
        if (blocks.count() > 1) mlp.forward(p.size(), points(p), stages.next(part));
        along_gradient(mlp, p.size(), points(p), gradient.view, out + p.begin * k, stages.next(2 * part));
    }
    stages.finish();
}

template void ntk_vector_product<float>(const Mlp<float>&, std::size_t, Rows<const float>, const float*, float*,
                                        const Poll*, std::size_t);
template void ntk_vector_product<double>(const Mlp<double>&, std::size_t, Rows<const double>, const double*, double*,
                                         const Poll*, std::size_t);

}  // namespace ntkcore
