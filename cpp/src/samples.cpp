#include "ntkcore/samples.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

namespace ntkcore {
namespace {

constexpr std::size_t round_up(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

// f(k) for k < n, eight partial sums at a time: accurate, vectorisable, and the same bits everywhere.
template <class F>
double sum(std::size_t n, F f) {
    double partial[8] = {};
    std::size_t k = 0;
    for (; k + 8 <= n; k += 8) {
        for (std::size_t l = 0; l < 8; ++l) partial[l] += f(k + l);
    }
    for (; k < n; ++k) partial[k % 8] += f(k);
    return ((partial[0] + partial[1]) + (partial[2] + partial[3])) +
           ((partial[4] + partial[5]) + (partial[6] + partial[7]));
}

// Calls body(row) with row[k] = x(i, k), without a test of the stride in the inner loops.
template <class T, class Body>
void with_row(MatrixView<const T> x, std::size_t i, Aligned<T>& buffer, Body body) {
    if (x.contiguous_rows()) return body(x.row(i));
    if (buffer.size() < x.cols) buffer = Aligned<T>(x.cols);
    for (std::size_t k = 0; k < x.cols; ++k) buffer[k] = x(i, k);
    body(static_cast<const T*>(buffer.data()));
}

template <class T>
T largest(const T* x, std::size_t n) {
    T partial[8] = {};
    std::size_t k = 0;
    for (; k + 8 <= n; k += 8) {
        for (std::size_t l = 0; l < 8; ++l) {
            const T a = std::fabs(x[k + l]);
            partial[l] = a > partial[l] ? a : partial[l];
        }
    }
    for (; k < n; ++k) partial[k % 8] = std::max(partial[k % 8], std::fabs(x[k]));
    return *std::max_element(partial, partial + 8);
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
Samples<T>::Samples(const Network& network, MatrixView<const T> x, Levels levels, int threads, const Samples* like)
    : n_(x.rows), padded_(round_up(x.rows, kBlock)) {
    const Affine& first = network.affine.front();
    const std::size_t depth = network.depth();
    const std::size_t kept = levels == Levels::all ? depth : 1;
    features_ = x.cols + (first.bias_std != 0.0 ? 1 : 0);

    has_table_.assign(depth, 0);
    table_offset_.assign(depth, 0);
    std::size_t total = 0;
    for (std::size_t m = 0; m + 1 < depth; ++m) {
        if (network.affine[m + 1].bias_std == 0.0) continue;
        has_table_[m] = 1;
        table_offset_[m] = total;
        total += 2 * padded_;
    }
    tables_ = Aligned<T>(total);
    scale_ = Aligned<T>(kept * padded_);
    deviations_.resize(kept * n_);
    theta_.resize(kept * n_);
    degenerate_.assign(kept * n_, 0);
    zero_input_.assign(n_, 0);

    // σ_w|x|/√n0 and σ_b give √q¹. Lengths are taken of 2^{−e}·x, whose largest entry is in [½, 1).
    const Scaled n0(static_cast<double>(x.cols));
    const Scaled weight(ratio(square(first.weight_std), n0));
    const Scaled weight_root = sqrt(weight);
    std::vector<UnitRow> rows(n_);
    std::atomic<bool> any_zero{false};
    parallel_for(padded_ / kBlock, threads, [&](std::size_t block, int, Work&) {
        Aligned<T> buffer;
        for (std::size_t i = block * kBlock; i < std::min(n_, (block + 1) * kBlock); ++i) {
            with_row(x, i, buffer, [&](const T* row) {
                int e = 0;
                std::frexp(static_cast<double>(largest(row, x.cols)), &e);
                const double up = std::ldexp(1.0, -e / 2);
                const double down = std::ldexp(1.0, -e - -e / 2);
                const double square_sum = sum(x.cols, [&](std::size_t k) {
                    const double y = static_cast<double>(row[k]) * up * down;
                    return y * y;
                });
                // q¹ = σ_w²|x|²/n0 + σ_b²
                const Scaled q = weight * Scaled(square_sum, 2 * e) + square(first.bias_std);
                const Scaled h = sqrt(q);
                if (q.zero()) {
                    rows[i] = {0.0, 0.0, 0.0};
                    zero_input_[i] = 1;
                    any_zero.store(true, std::memory_order_relaxed);
                } else {
                    rows[i] = {up, down * ratio(weight_root * Scaled(1.0, e), h), ratio(Scaled(first.bias_std), h)};
                }
                make_layers(network, i, q, levels);
            });
        }
    });
    any_zero_ = any_zero.load();

    constexpr int kComfort = std::numeric_limits<T>::max_exponent / 2 - 16;
    wide_ = std::any_of(deviations_.begin(), deviations_.end(),
                        [](const Scaled& h) { return !h.zero() && std::abs(h.e) > kComfort; });
    if (direct()) {
        make_panels(x, threads, rows);
    } else {
        make_centred_rows(x, threads, rows, like);
    }
}

// One sample through all layers: the tables of the affine maps behind the activations, and the diagonal.
template <class T>
void Samples<T>::make_layers(const Network& network, std::size_t i, Scaled q, Levels levels) {
    const std::size_t depth = network.depth();
    double theta = 1.0;  // Θ¹ = Σ¹
    bool degenerate = false;
    const auto keep = [&](std::size_t level) {
        deviations_[level * n_ + i] = sqrt(q);
        theta_[level * n_ + i] = theta;
        degenerate_[level * n_ + i] = degenerate ? 1 : 0;
        scale_[level * padded_ + i] = saturate<T>(sqrt(q));
    };
    if (levels == Levels::all || depth == 1) keep(0);
    for (std::size_t m = 0; m + 1 < depth; ++m) {
        const Affine& affine = network.affine[m + 1];
        const Scaled a = square(affine.weight_std) * network.activation[m].second_moment() * q;  // A = σ_w² E[σ²]
        const Scaled b = square(affine.bias_std);
        const Scaled next = a + b;
        const double r2 = next.zero() ? 1.0 : ratio(a, next);
        if (has_table_[m] != 0) {
            tables_[table_offset_[m] + i] = static_cast<T>(std::sqrt(0.5 * r2));
            tables_[table_offset_[m] + padded_ + i] = static_cast<T>(std::sqrt(0.5 * ratio(b, next)));
        }
        theta = r2 * theta + 1.0;  // Θ⁺ = Θ Σ̇ + Σ⁺ with Σ̇ q = A on the diagonal
        degenerate = q.zero();
        q = next;
        if (levels == Levels::all) {
            keep(m + 1);
        } else if (m + 2 == depth) {
            keep(0);
        }
    }
}

template <class T>
void Samples<T>::make_panels(MatrixView<const T> x, int threads, const std::vector<UnitRow>& rows) {
    const double half = std::sqrt(0.5);
    unit_ = Aligned<T>(padded_ * features_);
    parallel_for(padded_ / kBlock, threads, [&](std::size_t block, int, Work&) {
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
void Samples<T>::make_centred_rows(MatrixView<const T> x, int threads, const std::vector<UnitRow>& rows,
                                   const Samples* like) {
    const std::size_t n0 = x.cols;
    const bool bias = features_ > n0;
    feature_stride_ = round_up(features_, 16);
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
            Aligned<T> buffer;
            for (std::size_t i = c * chunk; i < std::min(n_, (c + 1) * chunk); ++i) {
                with_row(x, i, buffer, [&](const T* row) {
                    const auto [up, down, b] = rows[i];
                    for (std::size_t k = 0; k < n0; ++k) total[k] += static_cast<double>(row[k]) * up * down;
                    if (bias) total[n0] += b;
                });
            }
        });
        for (std::size_t c = 0; c < chunks; ++c) {
            for (std::size_t k = 0; k < features_; ++k) centre[k] += sums[c * feature_stride_ + k];
        }
        for (double& c : centre) c = static_cast<double>(static_cast<T>(c / static_cast<double>(std::max<std::size_t>(1, n_))));
    }
    centre_ = Aligned<T>(feature_stride_);
    for (std::size_t k = 0; k < feature_stride_; ++k) centre_[k] = static_cast<T>(centre[k]);

    unit_ = Aligned<T>(n_ * feature_stride_);
    half_norm_ = Aligned<T>(padded_);
    parallel_for(padded_ / kBlock, threads, [&](std::size_t block, int, Work&) {
        Aligned<T> buffer;
        for (std::size_t i = block * kBlock; i < std::min(n_, (block + 1) * kBlock); ++i) {
            T* to = unit_.data() + i * feature_stride_;
            const auto [up, down, b] = rows[i];
            with_row(x, i, buffer, [&](const T* row) {
                for (std::size_t k = 0; k < n0; ++k) {
                    to[k] = static_cast<T>(static_cast<double>(row[k]) * up * down - centre[k]);
                }
            });
            if (bias) to[n0] = static_cast<T>(b - centre[n0]);
            half_norm_[i] = static_cast<T>(0.5 * sum(features_, [&](std::size_t k) {
                const auto a = static_cast<double>(to[k]);
                return a * a;
            }));
        }
    });
}

template <class T>
T Samples<T>::sigma_diagonal(std::size_t level, std::size_t i) const {
    const Scaled h = standard_deviation(level, i);
    return saturate<T>(h * h);
}

template <class T>
T Samples<T>::theta_diagonal(std::size_t level, std::size_t i) const {
    const Scaled h = standard_deviation(level, i);
    return saturate<T>(theta_[level * n_ + i] * (h * h));
}

template class Samples<float>;
template class Samples<double>;
template float saturate<float>(Scaled);
template double saturate<double>(Scaled);

}  // namespace ntkcore
