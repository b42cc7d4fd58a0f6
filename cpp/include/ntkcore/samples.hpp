// Everything that the engine needs to know of one sample at a time: O(N (n0 + L)) numbers, made once.
//
// With x̂ = (σ_w x/√n0, σ_b)/√q¹ the unit vector of a sample (one more feature than x if there is a bias),
// ρ¹ = x̂·x̂'. Layer by layer, q^{ℓ+1} = A^ℓ + σ_b², A^ℓ = σ_w² E[σ(√q^ℓ z)²].
#pragma once

#include <cstddef>
#include <vector>

#include "ntkcore/aligned.hpp"
#include "ntkcore/matrix_view.hpp"
#include "ntkcore/network.hpp"
#include "ntkcore/parallel.hpp"
#include "ntkcore/scaled.hpp"

namespace ntkcore {

enum class Levels { last, all };  // which of the kernels of depth 1 … L are wanted

template <class T>
class Samples {
   public:
    // Up to this many features (bias included) pairs are compared feature by feature, beyond it by a matrix product.
    static constexpr std::size_t kDirectFeatures = 24;

    // `like`: samples that these will be compared with; they share its centre.
    Samples(const Network& network, MatrixView<const T> x, Levels levels, int threads, const Samples* like = nullptr);

    [[nodiscard]] std::size_t size() const { return n_; }
    [[nodiscard]] std::size_t features() const { return features_; }
    [[nodiscard]] bool direct() const { return features_ <= kDirectFeatures; }

    // Direct: x̂/√2 of the 256 samples of a block, feature by feature; the last block is padded with zeros.
    [[nodiscard]] const T* panel(std::size_t block) const { return unit_.data() + block * kBlock * features_; }
    // Product: the row x̂ − c, padded with zeros to feature_stride(); the centre c; ½|x̂ − c|².
    [[nodiscard]] const T* row(std::size_t i) const { return unit_.data() + i * feature_stride_; }
    [[nodiscard]] std::size_t feature_stride() const { return feature_stride_; }
    [[nodiscard]] const T* centre() const { return centre_.data(); }
    [[nodiscard]] const T* half_norm() const { return half_norm_.data(); }

    // Of hidden layer m (0 … L−2): √½·√(A/q) and √½·σ_b/√q; null if the affine map behind it has no bias.
    [[nodiscard]] const T* r(std::size_t m) const { return table(m, 0); }
    [[nodiscard]] const T* s(std::size_t m) const { return table(m, 1); }

    // √q^{ℓ+1} for the wanted levels (index 0 … L−1, or 0 for the last one), and as T where the range allows.
    [[nodiscard]] const Scaled& standard_deviation(std::size_t level, std::size_t i) const {
        return deviations_[level * n_ + i];
    }
    [[nodiscard]] const T* scale(std::size_t level) const { return scale_.data() + level * padded_; }
    // Some scale, or a product of two, would leave the comfortable range of T.
    [[nodiscard]] bool wide_range() const { return wide_; }
    // No variance in front of the activation that leads to this level: orthogonal to every sample that has some.
    [[nodiscard]] bool degenerate(std::size_t level, std::size_t i) const {
        return any_zero_ && degenerate_[level * n_ + i] != 0;
    }
    [[nodiscard]] bool zero_input(std::size_t i) const { return any_zero_ && zero_input_[i] != 0; }
    [[nodiscard]] bool any_zero() const { return any_zero_; }

    // Closed forms on the diagonal.
    [[nodiscard]] T sigma_diagonal(std::size_t level, std::size_t i) const;
    [[nodiscard]] T theta_diagonal(std::size_t level, std::size_t i) const;

    static constexpr std::size_t kBlock = 256;

   private:
    [[nodiscard]] const T* table(std::size_t m, std::size_t which) const {
        return has_table_[m] ? tables_.data() + table_offset_[m] + which * padded_ : nullptr;
    }
    void make_layers(const Network& network, std::size_t i, Scaled q, Levels levels);
    // x̂_k = x_k·up·down, and the bias feature. Two factors, because one can leave the range of double.
    struct UnitRow {
        double up, down, bias;
    };
    void make_panels(MatrixView<const T> x, int threads, const std::vector<UnitRow>& rows);
    void make_centred_rows(MatrixView<const T> x, int threads, const std::vector<UnitRow>& rows, const Samples* like);

    std::size_t n_ = 0, padded_ = 0, features_ = 0, feature_stride_ = 0;
    bool wide_ = false, any_zero_ = false;
    Aligned<T> unit_, centre_, half_norm_, tables_, scale_;
    std::vector<std::size_t> table_offset_;
    std::vector<char> has_table_, degenerate_, zero_input_;
    std::vector<Scaled> deviations_;
    std::vector<double> theta_;  // Θ/q on the diagonal
};

// m·2^e as T, the largest finite number in place of infinity.
template <class T>
[[nodiscard]] T saturate(Scaled x);

}  // namespace ntkcore
