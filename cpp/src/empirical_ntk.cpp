#include "ntkcore/empirical_ntk.hpp"

#include <algorithm>
#include <memory>
#include <vector>

#include "dense/kernels.hpp"
#include "mlp_work.hpp"
#include "ntk_work.hpp"
#include "products.hpp"

namespace ntkcore {
namespace {

// α and δ of some points. A point has one row of α^ℓ, and n_L rows of δ^ℓ, one for each output.
template <class T>
class Factors {
   public:
    Factors(const Mlp<T>& like, std::size_t n, Rows<const T> x, Stages& stages)
        : mlp_(like.layers(), like.activations(), like.threads()), n_(n), x_(x) {
        const std::size_t depth = mlp_.depth();
        const double cost = multiplications(mlp_) * static_cast<double>(n);
        mlp_.forward(n, x, stages.next(cost));
        delta_.resize(depth);
        for (std::size_t l = 1; l < depth; ++l) delta_[l - 1].resize(n * outputs(), mlp_.layers()[l].inputs);
        for (std::size_t l = depth - 1; l >= 1; --l) {
            descend(l, stages.next(cost * static_cast<double>(outputs()) / static_cast<double>(depth - 1)));
        }
    }

    [[nodiscard]] Rows<const T> alpha(std::size_t l) const { return l == 0 ? x_ : mlp_.activation(l); }
    // δ^ℓ for ℓ < L; δ^L is the identity.
    [[nodiscard]] Rows<const T> delta(std::size_t l) const { return delta_[l - 1].rows(); }

   private:
    [[nodiscard]] std::size_t outputs() const { return mlp_.layers().back().outputs; }

    // δ^ℓ = (σ_w/√n_ℓ) W^ℓᵀ δ^{ℓ+1} ∘ σ'(α̃^ℓ)
    void descend(std::size_t l, const Poll* poll) {
        const Dense<T>& layer = mlp_.layers()[l];
        const std::size_t k = outputs();
        const Rows<T> to = delta_[l - 1].rows();
        const T scale = static_cast<T>(layer.scale());
        const auto slopes = [&](Range rows, Range j, T factor) {
            for (std::size_t o = 0; o < k; ++o) {  // row p n_L + o
                const std::size_t begin = rows.begin <= o ? 0 : (rows.begin - o + k - 1) / k;
                const std::size_t end = rows.end <= o ? 0 : (rows.end - o + k - 1) / k;
                if (begin >= end) continue;
                mlp_.multiply_slope(l, begin, end - begin, j.begin, j.size(),
                                    {to.at(begin * k + o, j.begin), to.stride * k}, factor);
            }
        };
        if (l + 1 < mlp_.depth()) {
            multiply_nn<T>(n_ * k, layer.inputs, layer.outputs, T(1), delta_[l].rows(), {layer.weight, layer.inputs},
                           T(0), to, mlp_.threads(), poll, [&](Range rows, Range j) { slopes(rows, j, scale); });
            return;
        }
        const Parts points = even_parts(n_, 64);
        const auto task = [&](std::size_t index, int, Work&) {
            const Range rows{points[index].begin * k, points[index].end * k};
            for (std::size_t r = rows.begin; r < rows.end; ++r)
                std::copy_n(layer.weight + r % k * layer.inputs, layer.inputs, to.at(r, 0));
            slopes(rows, {0, layer.inputs}, scale);
        };
        run_tasks(points.count(), n_ * k * layer.inputs, mlp_.threads(), task, poll);
    }

    Mlp<T> mlp_;
    std::size_t n_;
    Rows<const T> x_;
    std::vector<Buffer<T>> delta_;
};

// The result, and how its entries lie in it.
template <class T>
struct Result {
    T* data;
    std::size_t rows, cols, width;  // `width` numbers per pair

    [[nodiscard]] T* at(std::size_t level, std::size_t i, std::size_t j) const {
        return data + ((level * rows + i) * cols + j) * width;
    }
};

// A tile of points i × j of the result. `shift` of both: the place of these factors' first point in the result.
template <class T>
class Tile {
   public:
    Tile(const Mlp<T>& mlp, const NtkCall<T>& call, Range i, Range j, T* scratch)
        : mlp_(mlp),
          call_(call),
          i_(i),
          j_(j),
          k_(mlp.layers().back().outputs),
          per_point_(call.outputs == NtkOutputs::full ? k_ : 1),
          alpha_(i.size() * j.size()),
          delta_(i.size() * j.size() * per_point_ * per_point_),
          scratch_(scratch) {}

    void add_layers(const Factors<T>& a, const Factors<T>& b, std::size_t i0, std::size_t j0, const Result<T>& to) {
        for (std::size_t l = 0; l < mlp_.depth(); ++l) {
            product(a.alpha(l), b.alpha(l), mlp_.layers()[l].inputs, 1, alpha_);
            const std::size_t n_passes = call_.outputs == NtkOutputs::diagonal ? k_ : 1;
            for (std::size_t o = 0; o < n_passes; ++o) {
                deltas(a, b, l + 1, o);
                combine(l, o, i0, j0, to);
            }
        }
    }

    // The other triangle, and what is below the diagonal of this tile, from the rest.
    void mirror(std::size_t i0, std::size_t j0, const Result<T>& to) const {
        const std::size_t levels = call_.per_layer ? 2 * mlp_.depth() : 1;
        const bool full = call_.outputs == NtkOutputs::full;
        for (std::size_t level = 0; level < levels; ++level) {
            for (std::size_t i = i0 + i_.begin; i < i0 + i_.end; ++i) {
                for (std::size_t j = std::max(i, j0 + j_.begin); j < j0 + j_.end; ++j) {
                    const T* const from = to.at(level, i, j);
                    T* const mirrored = to.at(level, j, i);
                    for (std::size_t e = 0; e < to.width; ++e) {
                        const std::size_t turned = full ? e % k_ * k_ + e / k_ : e;
                        if (i != j || turned > e) mirrored[turned] = from[e];
                    }
                }
            }
        }
    }

   private:
    // A Bᵀ for the points of this tile, of which each has so many rows
    void product(Rows<const T> a, Rows<const T> b, std::size_t terms, std::size_t rows, Aligned<T>& c) const {
        const std::size_t n = j_.size() * rows;
        sums({i_.size() * rows, n, terms, a.at(i_.begin * rows, 0), a.stride, b.at(j_.begin * rows, 0), b.stride,
              c.data(), n});
    }
    void sums(const dense::Dot<T>& call) const {
        if (!use_panels(call.m, call.n)) return dense::kernels<T>().dot(call);
        dense::kernels<T>().product({call.m, call.n, call.k, call.a, call.lda, 1, call.b, 1, call.ldb, call.c, call.ldc,
                                     T(1), call.add ? T(1) : T(0), scratch_});
    }

    // δ^ℓ(x)·δ^ℓ(x') of one pass: of output o, of all pairs of outputs, or the mean over the outputs.
    void deltas(const Factors<T>& a, const Factors<T>& b, std::size_t level, std::size_t o) {
        const std::size_t n = j_.size() * per_point_;
        if (level == mlp_.depth()) {  // the identity
            for (std::size_t r = 0; r < i_.size() * per_point_; ++r) {
                for (std::size_t c = 0; c < n; ++c) delta_[r * n + c] = r % per_point_ == c % per_point_ ? T(1) : T(0);
            }
            return;
        }
        const std::size_t terms = mlp_.layers()[level].inputs;
        const Rows<const T> da = a.delta(level);
        const Rows<const T> db = b.delta(level);
        if (call_.outputs == NtkOutputs::full) {
            product(da, db, terms, k_, delta_);
            return;
        }
        const bool mean = call_.outputs == NtkOutputs::mean;
        for (std::size_t q = mean ? 0 : o; q < (mean ? k_ : o + 1); ++q) {
            sums({i_.size(), j_.size(), terms, da.at(i_.begin * k_ + q, 0), da.stride * k_, db.at(j_.begin * k_ + q, 0),
                  db.stride * k_, delta_.data(), n, mean && q > 0});
        }
        if (!mean || k_ == 1) return;
        for (std::size_t e = 0; e < delta_.size(); ++e) delta_[e] /= static_cast<T>(k_);
    }

    void combine(std::size_t l, std::size_t o, std::size_t i0, std::size_t j0, const Result<T>& to) const {
        const Dense<T>& layer = mlp_.layers()[l];
        const T weight = static_cast<T>(layer.weight_std * layer.weight_std / static_cast<double>(layer.inputs));
        const T bias = static_cast<T>(layer.bias_std * layer.bias_std);
        const std::size_t w = per_point_;
        for (std::size_t i = 0; i < i_.size(); ++i) {
            for (std::size_t j = 0; j < j_.size(); ++j) {
                const T a = weight * alpha_[i * j_.size() + j];
                const std::size_t row = i0 + i_.begin + i;
                const std::size_t col = j0 + j_.begin + j;
                for (std::size_t e = 0; e < w * w; ++e) {
                    const T d = delta_[(i * w + e / w) * (j_.size() * w) + j * w + e % w];
                    if (call_.per_layer) {
                        to.at(2 * l, row, col)[o + e] = a * d;
                        to.at(2 * l + 1, row, col)[o + e] = bias * d;
                    } else {
                        T& theta = to.at(0, row, col)[o + e];
                        theta = (l == 0 ? T(0) : theta) + (a + bias) * d;
                    }
                }
            }
        }
    }

    const Mlp<T>& mlp_;
    const NtkCall<T>& call_;
    Range i_, j_;
    std::size_t k_, per_point_;
    Aligned<T> alpha_, delta_;
    T* scratch_;
};

// Multiplications per pair of points.
template <class T>
double pair_cost(const Mlp<T>& mlp, NtkOutputs outputs) {
    const auto k = static_cast<double>(mlp.layers().back().outputs);
    double alphas = 0;
    double deltas = 0;
    for (const Dense<T>& layer : mlp.layers()) {
        alphas += static_cast<double>(layer.inputs);
        deltas += static_cast<double>(layer.outputs);
    }
    return alphas + deltas * (outputs == NtkOutputs::full ? k * k : k);
}

// One block of rows against one of columns.
template <class T>
void block(const Mlp<T>& mlp, const NtkCall<T>& call, const Factors<T>& a, Range rows, const Factors<T>& b, Range cols,
           Stages& stages) {
    const std::size_t k = mlp.layers().back().outputs;
    const bool symmetric = call.z.data == nullptr;
    const bool diagonal = symmetric && rows.begin == cols.begin;
    const std::size_t most = call.outputs == NtkOutputs::full ? std::max<std::size_t>(1, 128 / k) : 128;
    const auto side = [&](std::size_t n) { return even_parts(n, std::clamp<std::size_t>((n + 3) / 4, 16, most)); };
    const Parts is = side(rows.size());
    const Parts js = side(cols.size());
    std::vector<std::pair<std::size_t, std::size_t>> tiles;
    for (std::size_t i = 0; i < is.count(); ++i) {
        for (std::size_t j = diagonal ? i : 0; j < js.count(); ++j) tiles.emplace_back(i, j);
    }
    const Result<T> to{call.out, call.n, symmetric ? call.n : call.m, numbers(call.outputs, k)};
    Scratch<T> scratch(mlp.threads());
    const auto task = [&](std::size_t index, int worker, Work&) {
        Tile<T> tile(mlp, call, is[tiles[index].first], js[tiles[index].second], scratch.of(worker));
        tile.add_layers(a, b, rows.begin, cols.begin, to);
        if (symmetric) tile.mirror(rows.begin, cols.begin, to);
    };
    const double cost = pair_cost(mlp, call.outputs) * static_cast<double>(rows.size() * cols.size());
    run_tasks(tiles.size(), static_cast<std::size_t>(cost), mlp.threads(), task, stages.next(cost));
}

}  // namespace

std::size_t numbers(NtkOutputs outputs, std::size_t n_outputs) {
    switch (outputs) {
        case NtkOutputs::full:
            return n_outputs * n_outputs;
        case NtkOutputs::diagonal:
            return n_outputs;
        default:
            return 1;
    }
}

template <class T>
void empirical_ntk(const Mlp<T>& mlp, const NtkCall<T>& call, const Poll* poll) {
    const bool symmetric = call.z.data == nullptr;
    const std::size_t m = symmetric ? call.n : call.m;
    if (call.n == 0 || m == 0) return;
    const std::size_t k = mlp.layers().back().outputs;
    // α, α̃ and δ of a point; columns that come again and again get the lesser part of the memory
    const std::size_t held = std::max<std::size_t>(4, call.memory / bytes_per_point(mlp, k));
    const bool all = (symmetric ? call.n : call.n + m) <= held;
    const Parts row_blocks = even_parts(call.n, all ? call.n : held * 3 / 4);
    const Parts col_blocks = symmetric ? even_parts(m, all ? m : std::max<std::size_t>(1, row_blocks.part / 3))
                                       : even_parts(m, all ? m : std::max<std::size_t>(1, held / 4));
    const double per_point = multiplications(mlp) * static_cast<double>(1 + k);
    const auto n_row_blocks = static_cast<double>(row_blocks.count());
    Stages stages(poll, per_point * static_cast<double>(call.n) + per_point * n_row_blocks * static_cast<double>(m) +
                            pair_cost(mlp, call.outputs) * static_cast<double>(call.n) * static_cast<double>(m));
    for (std::size_t r = 0; r < row_blocks.count(); ++r) {
        const Range rows = row_blocks[r];
        const Factors<T> a(mlp, rows.size(), {call.x.at(rows.begin, 0), call.x.stride}, stages);
        if (symmetric) block(mlp, call, a, rows, a, rows, stages);
        for (std::size_t c = 0; c < col_blocks.count(); ++c) {
            Range cols = col_blocks[c];
            if (symmetric) cols.begin = std::max(cols.begin, rows.end);  // of what lies to the right of the diagonal
            if (cols.begin >= cols.end) continue;
            const Rows<const T>& z = symmetric ? call.x : call.z;
            const Factors<T> b(mlp, cols.size(), {z.at(cols.begin, 0), z.stride}, stages);
            block(mlp, call, a, rows, b, cols, stages);
        }
    }
    stages.finish();
}

template void empirical_ntk<float>(const Mlp<float>&, const NtkCall<float>&, const Poll*);
template void empirical_ntk<double>(const Mlp<double>&, const NtkCall<double>&, const Poll*);

}  // namespace ntkcore
