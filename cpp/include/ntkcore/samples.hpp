// Everything that the engine needs to know of one sample at a time: O(N (n0 + L)) numbers, made once.
//
// With x̂ = (σ_w x/√n0, σ_b)/√q¹ the unit vector of a sample (one more feature than x if there is a bias),
// ρ¹ = x̂·x̂'. Layer by layer, q^{ℓ+1} = A^ℓ + σ_b², A^ℓ = σ_w² E[σ(√q^ℓ z)²].
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "ntkcore/aligned.hpp"
#include "ntkcore/error_bound.hpp"
#include "ntkcore/layer.hpp"
#include "ntkcore/matrix_view.hpp"
#include "ntkcore/network.hpp"
#include "ntkcore/parallel.hpp"
#include "ntkcore/scaled.hpp"

namespace ntkcore {

enum class Levels { last, all };  // which of the kernels of depth 1 … L are wanted

// Whether pairs will read the tables of the layers. If not, none are made unless all samples are alike; the layers are
// smooth ones (tile/smooth.hpp).
enum class Tables { all, none };

template <class T>
using Layers = std::vector<std::unique_ptr<Layer<T>>>;

// A quantity per sample that pairs are multiplied with: exactly, and rounded to T.
template <class T>
struct Scale {
    std::vector<Scaled> exact;
    Aligned<T> rounded;
};

template <class T>
class Samples {
   public:
    // Up to this many features (bias included) pairs are compared feature by feature, beyond it by a matrix product.
    static constexpr std::size_t kDirectFeatures = 24;

    // `layers`: those of the network's activations. `like`: samples to compare these with; they share its centre.
    // With `one`, samples that are alike have the last level of that one, others none at all, and layers are not asked.
    template <class In>
    Samples(const Network& network, const Layers<T>& layers, MatrixView<const In> x, Levels levels, int threads,
            const Samples* like = nullptr, Tables tables = Tables::all, const Samples<double>* one = nullptr);

    [[nodiscard]] std::size_t size() const { return n_; }
    [[nodiscard]] std::size_t features() const { return features_; }
    [[nodiscard]] bool direct() const { return features_ <= kDirectFeatures; }

    // Direct: x̂/√2 of the 256 samples of a block, feature by feature; the last block is padded with zeros.
    [[nodiscard]] const T* panel(std::size_t block) const { return unit_.data() + block * kBlock * features_; }
    // Product: the rows x̂ − c in strips of 128 bytes (tile/kernels.hpp), and each by itself: the row x̂ − c, padded with
    // zeros to feature_stride(); the centre c; ½|x̂ − c|².
    [[nodiscard]] const T* strips() const { return strips_.data(); }
    [[nodiscard]] const T* row(std::size_t i) const { return unit_.data() + i * feature_stride_; }
    [[nodiscard]] std::size_t feature_stride() const { return feature_stride_; }
    [[nodiscard]] const T* centre() const { return centre_.data(); }
    [[nodiscard]] const T* half_norm() const { return half_norm_.data(); }

    // Of hidden layer m (0 … L−2), from sample i on up to the end of its block: √½·√(A/q⁺) and √½·σ_b/√q⁺; null if the
    // affine map behind it has no bias.
    [[nodiscard]] const T* r(std::size_t m, std::size_t i = 0) const { return bias(m, 0, i); }
    [[nodiscard]] const T* s(std::size_t m, std::size_t i = 0) const { return bias(m, 1, i); }
    // 1 − √(A/q⁺), for very deep networks.
    [[nodiscard]] const T* p(std::size_t m, std::size_t i = 0) const { return bias(m, 2, i); }
    // The tables of its activation, of sample i on up to the end of its block; the next table is stride() further.
    [[nodiscard]] const T* tables(std::size_t m, std::size_t i = 0) const { return tables_[m].data() + column(i); }
    [[nodiscard]] std::size_t stride() const { return table_stride_; }
    [[nodiscard]] bool tabulated() const { return table_stride_ > 0; }
    // q in front of the activation, if no tables were asked for.
    [[nodiscard]] double variance(std::size_t m, std::size_t i) const { return variance_[m][kept(i)]; }
    [[nodiscard]] std::size_t tables_count(std::size_t m) const { return tables_[m].size() / table_stride_; }
    // All samples have the same variance, or all keep the proportions of their variances: the tables hold the same
    // numbers for all, in one block.
    [[nodiscard]] bool alike() const { return !common_.zero() || proportional_; }
    // How much the truncation of expansions up to hidden layer m matters, over all samples.
    [[nodiscard]] const Sensitivity& sensitivity(std::size_t m) const { return sensitivity_[m]; }

    // For the wanted levels (index 0 … L−1, or 0 for the last one): √q^{ℓ+1} for Σ and Θ, σ_w √(E[σ²]/q^ℓ) for Σ̇.
    [[nodiscard]] const Scale<T>& scale(std::size_t level) const { return scale_[level]; }
    [[nodiscard]] const Scale<T>& dot_scale(std::size_t level) const { return dot_scale_[level]; }
    // Some scale, or a product of two, would leave the comfortable range of T.
    [[nodiscard]] bool wide_range() const { return wide_; }

    // No variance in front of the activation that leads to this level; then Σ̇ = σ_w² E[σ̇] E[σ̇'] with the others.
    [[nodiscard]] bool degenerate(std::size_t level, std::size_t i) const {
        return kept_[level].degenerate[kept(i)] != 0;
    }
    [[nodiscard]] bool any_degenerate() const { return any_degenerate_; }
    [[nodiscard]] double mean_slope(std::size_t level, std::size_t i) const { return kept_[level].mean_slope[kept(i)]; }
    // x = 0 and no bias: no direction.
    [[nodiscard]] bool zero_input(std::size_t i) const { return any_zero_ && zero_input_[i] != 0; }
    [[nodiscard]] bool any_zero() const { return any_zero_; }

    // Closed forms on the diagonal.
    [[nodiscard]] T sigma_diagonal(std::size_t level, std::size_t i) const;
    [[nodiscard]] T sigma_dot_diagonal(std::size_t level, std::size_t i) const;
    [[nodiscard]] T theta_diagonal(std::size_t level, std::size_t i) const;

    static constexpr std::size_t kBlock = 256;

    // The variance q¹ that all samples have but for rounding errors, and have been given; 0 if they differ.
    [[nodiscard]] const Scaled& common_variance() const { return common_; }

   private:
    friend class Samples<float>;
    // Where a sample of a block, or what is kept of it, is to be found.
    [[nodiscard]] std::size_t column(std::size_t i) const { return alike() ? i % kBlock : i; }
    [[nodiscard]] std::size_t kept(std::size_t i) const { return alike() ? 0 : i; }
    [[nodiscard]] const T* bias(std::size_t m, std::size_t table, std::size_t i) const {
        return bias_[m].size() == 0 ? nullptr : bias_[m].data() + table * bias_stride_ + column(i);
    }
    // What is kept of a wanted level beside the scales; of the first sample alone if all are alike.
    struct Kept {
        std::vector<double> theta;      // Θ/q on the diagonal
        std::vector<Scaled> sigma_dot;  // Σ̇ on the diagonal
        std::vector<double> mean_slope;
        std::vector<char> degenerate;
    };
    void make_layers(const Network& network, const Layers<T>& layers, std::vector<Scaled> q, Levels levels,
                     Tables tables, int threads);
    void take_layers(const Samples<double>& one);
    void check_range();
    // x̂_k = x_k·up·down, and the bias feature. Two factors, because one can leave the range of double.
    struct UnitRow {
        double up, down, bias;
    };
    template <class In>
    void make_panels(MatrixView<const In> x, int threads, const std::vector<UnitRow>& rows);
    template <class In>
    void make_centred_rows(MatrixView<const In> x, int threads, const std::vector<UnitRow>& rows, const Samples* like);

    std::size_t n_ = 0, padded_ = 0, table_stride_ = 0, bias_stride_ = 0, features_ = 0, feature_stride_ = 0;
    bool wide_ = false, any_zero_ = false, any_degenerate_ = false, proportional_ = false;
    Aligned<T> unit_, strips_, centre_, half_norm_;
    std::vector<Aligned<T>> bias_, tables_;  // per hidden layer
    std::vector<Aligned<double>> variance_;
    std::vector<Scale<T>> scale_, dot_scale_;
    std::vector<Kept> kept_;
    std::vector<Sensitivity> sensitivity_;  // per hidden layer
    std::vector<char> zero_input_;
    Scaled common_;
};

// m·2^e as T, the largest finite number in place of infinity.
template <class T>
[[nodiscard]] T saturate(Scaled x);

}  // namespace ntkcore
