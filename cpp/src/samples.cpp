#include "ntkcore/samples.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "samples_work.hpp"
#include "tile/kernels.hpp"

namespace ntkcore {
namespace {

// σ(cx) = cσ(x) for c > 0 in all layers, and no bias behind any.
bool proportional(const Network& network) {
    for (std::size_t m = 0; m < network.activation.size(); ++m) {
        if (network.activation[m].family != Family::ab_relu || network.affine[m + 1].bias_std != 0.0) return false;
    }
    return true;
}

// Calls body(row) with row[k] = x(i, k), without a test of the stride in the inner loops.
template <class T, class Body>
void with_row(MatrixView<const T> x, std::size_t i, Aligned<T>& buffer, Body body) {
    if (x.contiguous_rows()) return body(x.row(i));
    if (buffer.size() < x.cols) buffer = Aligned<T>(x.cols);
    for (std::size_t k = 0; k < x.cols; ++k) buffer[k] = x(i, k);
    body(static_cast<const T*>(buffer.data()));
}

}  // namespace

template <class T>
T saturate(Scaled x) {
    const double limit = std::numeric_limits<T>::max();
    const double value = x.value();
    if (value > limit) return std::numeric_limits<T>::max();
    if (value < -limit) return std::numeric_limits<T>::lowest();
    return static_cast<T>(value);
}

template <class T>
template <class In>
Samples<T>::Samples(const Network& network, const Layers<T>& layers, MatrixView<const In> x, Levels levels, int threads,
                    const Samples* like, Tables tables, const Samples<double>* one)
    : n_(x.rows), padded_(round_up(x.rows, kBlock)) {
    const Affine& first = network.affine.front();
    features_ = x.cols + (first.bias_std != 0.0 ? 1 : 0);
    zero_input_.assign(n_, 0);

    // q¹ = σ_w²|x|²/n0 + σ_b². Lengths are taken of 2^{−e}·x, whose largest entry is in [½, 1).
    const Scaled n0(static_cast<double>(x.cols));
    const Scaled weight = quotient(square(first.weight_std), n0);
    const Scaled weight_root = sqrt(weight);
    const Scaled bias = square(first.bias_std);
    std::vector<UnitRow> rows(n_);
    std::vector<Scaled> q(n_);
    std::atomic<bool> any_zero{false};
    const tile::RowKernels<In>& over_rows = tile::kernels<In>().rows;
    parallel_for(padded_ / kBlock, team(n_ * (features_ + 64), threads), [&](std::size_t block, int, Work&) {
        Aligned<In> buffer;
        for (std::size_t i = block * kBlock; i < std::min(n_, (block + 1) * kBlock); ++i) {
            with_row(x, i, buffer, [&](const In* row) {
                int e = 0;
                std::frexp(static_cast<double>(over_rows.largest(x.cols, row)), &e);
                const double up = std::ldexp(1.0, -e / 2);
                const double down = std::ldexp(1.0, -e - -e / 2);
                const double norm2 = over_rows.square_sum(x.cols, row, up, down);
                q[i] = weight * Scaled(norm2, 2 * e) + bias;
                if (q[i].zero()) {
                    rows[i] = {0.0, 0.0, 0.0};
                    zero_input_[i] = 1;
                    any_zero.store(true, std::memory_order_relaxed);
                } else {
                    const Scaled h = sqrt(q[i]);
                    rows[i] = {up, down * ratio(weight_root * Scaled(1.0, e), h), ratio(Scaled(first.bias_std), h)};
                }
            });
        }
    });
    any_zero_ = any_zero.load();
    // Variances that differ by rounding errors alone are made equal: then all kernels are functions of the angle.
    const double rounding = (std::is_same_v<In, float> ? 2.4e-7 : 1.8e-15);
    common_ = like != nullptr ? like->common_variance() : (n_ > 0 ? q[0] : Scaled());
    const auto near = [&](const Scaled& a) { return !common_.zero() && std::fabs(ratio(a, common_) - 1) <= rounding; };
    if (std::all_of(q.begin(), q.end(), near)) {
        std::fill(q.begin(), q.end(), common_);
    } else {
        common_ = Scaled();
        proportional_ = !any_zero_ && proportional(network);
    }
    if (one == nullptr) {
        make_layers(network, layers, std::move(q), levels, tables, threads);
    } else if (alike()) {
        take_layers(*one);
    }
    if (direct()) {
        make_panels(x, threads, rows);
    } else {
        make_centred_rows(x, threads, rows, like);
    }
}

template <class T>
template <class In>
void Samples<T>::make_panels(MatrixView<const In> x, int threads, const std::vector<UnitRow>& rows) {
    const double half = std::sqrt(0.5);
    unit_ = Aligned<T>(padded_ * features_);
    parallel_for(padded_ / kBlock, team(n_ * features_, threads), [&](std::size_t block, int, Work&) {
        T* panel = unit_.data() + block * kBlock * features_;
        for (std::size_t i = block * kBlock; i < std::min(n_, (block + 1) * kBlock); ++i) {
            T* to = panel + i % kBlock;
            for (std::size_t k = 0; k < x.cols; ++k) {
                to[k * kBlock] = static_cast<T>(static_cast<double>(x(i, k)) * rows[i].up * rows[i].down * half);
            }
            if (features_ > x.cols) to[x.cols * kBlock] = static_cast<T>(rows[i].bias * half);
        }
    });
}

// The mean of the unit rows is taken off: differences do not feel it, and the rounding errors of the product shrink
// with the spread of the data.
template <class T>
template <class In>
void Samples<T>::make_centred_rows(MatrixView<const In> x, int threads, const std::vector<UnitRow>& rows,
                                   const Samples* like) {
    const std::size_t n0 = x.cols;
    const bool bias = features_ > n0;
    feature_stride_ = round_up(features_, 16);
    const tile::RowKernels<In>& over_rows = tile::kernels<In>().rows;
    std::vector<double> centre(feature_stride_, 0.0);
    if (like != nullptr) {
        std::copy_n(like->centre(), feature_stride_, centre.begin());
    } else {
        // Partial sums of fixed chunks, added in order: the same bits for every thread count.
        const std::size_t chunk = std::max<std::size_t>(kBlock, round_up(n_ / 64 + 1, kBlock));
        const std::size_t chunks = (n_ + chunk - 1) / chunk;
        std::vector<double> sums(chunks * feature_stride_, 0.0);
        parallel_for(chunks, threads, [&](std::size_t c, int, Work&) {
            double* total = sums.data() + c * feature_stride_;
            Aligned<In> buffer;
            for (std::size_t i = c * chunk; i < std::min(n_, (c + 1) * chunk); ++i) {
                with_row(x, i, buffer, [&](const In* row) {
                    const auto [up, down, b] = rows[i];
                    over_rows.accumulate(n0, row, up, down, total);
                    if (bias) total[n0] += b;
                });
            }
        });
        for (std::size_t c = 0; c < chunks; ++c) {
            for (std::size_t k = 0; k < features_; ++k) centre[k] += sums[c * feature_stride_ + k];
        }
        for (double& c : centre)
            c = static_cast<double>(static_cast<T>(c / static_cast<double>(std::max<std::size_t>(1, n_))));
    }
    centre_ = Aligned<T>(feature_stride_);
    for (std::size_t k = 0; k < feature_stride_; ++k) centre_[k] = static_cast<T>(centre[k]);

    constexpr std::size_t kStrip = tile::kStrip<T>;
    unit_ = Aligned<T>::raw(n_ * feature_stride_);
    strips_ = Aligned<T>::raw(padded_ * features_);
    half_norm_ = Aligned<T>(padded_);
    const tile::Kernels<T>& kernels = tile::kernels<T>();
    parallel_for(padded_ / kBlock, threads, [&](std::size_t block, int, Work&) {
        Aligned<In> buffer;
        const std::size_t end = std::min(n_, (block + 1) * kBlock);
        for (std::size_t i0 = block * kBlock; i0 < (block + 1) * kBlock; i0 += kStrip) {
            const std::size_t i1 = std::max(i0, std::min(end, i0 + kStrip));
            T* const strip = strips_.data() + i0 / kStrip * features_ * kStrip;
            if (i1 < i0 + kStrip) std::fill(strip, strip + features_ * kStrip, T(0));  // padding
            for (std::size_t i = i0; i < i1; ++i) {
                T* to = unit_.data() + i * feature_stride_;
                const double up = rows[i].up;
                const double down = rows[i].down;
                with_row(x, i, buffer, [&](const In* row) {
                    if constexpr (std::is_same_v<In, T>) {
                        over_rows.centred(n0, row, up, down, centre.data(), to);
                    } else {
                        for (std::size_t k = 0; k < n0; ++k) {
                            to[k] = static_cast<T>(static_cast<double>(row[k]) * up * down - centre[k]);
                        }
                    }
                });
                if (bias) to[n0] = static_cast<T>(rows[i].bias - centre[n0]);
                std::fill(to + features_, to + feature_stride_, T(0));
                half_norm_[i] = static_cast<T>(0.5 * kernels.rows.square_sum(features_, to, 1.0, 1.0));
            }
            if (i0 < i1) {
                kernels.transpose(i1 - i0, features_, unit_.data() + i0 * feature_stride_,
                                  static_cast<std::ptrdiff_t>(feature_stride_), strip, kStrip);
            }
        }
    });
}

template <class T>
T Samples<T>::sigma_diagonal(std::size_t level, std::size_t i) const {
    const Scaled& h = scale_[level].exact[i];
    return saturate<T>(h * h);
}

template <class T>
T Samples<T>::sigma_dot_diagonal(std::size_t level, std::size_t i) const {
    return saturate<T>(kept_[level].sigma_dot[kept(i)]);
}

template <class T>
T Samples<T>::theta_diagonal(std::size_t level, std::size_t i) const {
    const Scaled& h = scale_[level].exact[i];
    return saturate<T>(kept_[level].theta[kept(i)] * (h * h));
}

template class Samples<float>;
template class Samples<double>;
template Samples<float>::Samples(const Network&, const Layers<float>&, MatrixView<const float>, Levels, int,
                                 const Samples<float>*, Tables, const Samples<double>*);
template Samples<double>::Samples(const Network&, const Layers<double>&, MatrixView<const double>, Levels, int,
                                  const Samples<double>*, Tables, const Samples<double>*);
template Samples<double>::Samples(const Network&, const Layers<double>&, MatrixView<const float>, Levels, int,
                                  const Samples<double>*, Tables, const Samples<double>*);
template float saturate<float>(Scaled);
template double saturate<double>(Scaled);

}  // namespace ntkcore
