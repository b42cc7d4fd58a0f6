// Samples on their way through the layers.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <utility>

#include "ntkcore/errors.hpp"
#include "ntkcore/samples.hpp"
#include "samples_work.hpp"
#include "tile/kernels.hpp"

namespace ntkcore {
namespace {

// The distance of tables is no power of two: the same column of many tables would share a few cache sets.
constexpr std::size_t kTableSkew = 16;

// NumericalError, naming the layer and the largest variance, if its activation cannot take some variance.
template <class T>
void check_variances(const Layer<T>& layer, const Activation& activation, std::size_t m, const std::vector<Scaled>& q) {
    const auto refused = [&](const Scaled& variance) { return !layer.admits(variance); };
    const auto found = std::find_if(q.begin(), q.end(), refused);
    if (found == q.end()) return;
    const auto size = [](const Scaled& x) { return x.zero() ? std::pair(INT32_MIN, 0.0) : std::pair(x.e, x.hi); };
    const auto less = [&](const Scaled& a, const Scaled& b) { return size(a) < size(b); };
    const Scaled largest = *std::max_element(q.begin(), q.end(), less);
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", (refused(largest) ? largest : *found).value());
    const std::string title = activation.title.empty() ? name(activation.family) : activation.title;
    throw NumericalError("the activation of hidden layer " + std::to_string(m + 1) + " (" + title +
                         ") has no kernel at the variance " + text +
                         ", which some sample has there: change the scale of X, weight_std or bias_std");
}

}  // namespace

// All samples through all layers: the tables of the activations and of the affine maps behind them, and the diagonal.
// Samples that are all alike are worked out once: their tables hold one block. So are those of homogeneous networks,
// whose variances all grow by the same factor.
template <class T>
void Samples<T>::make_layers(const Network& network, const Layers<T>& layers, std::vector<Scaled> q, Levels levels,
                             Tables tables, int threads) {
    const std::size_t depth = network.depth();
    const std::size_t count = alike() ? 1 : n_;
    const std::size_t padded = alike() ? std::min(kBlock, round_up(n_, tile::kColumnStep)) : padded_;
    const bool moments_alone = tables == Tables::none && !alike();
    table_stride_ = moments_alone ? 0 : padded + kTableSkew;
    std::vector<Scaled> roots;  // √q¹, where all variances are in proportion
    if (proportional_) {
        for (const Scaled& variance : q) roots.push_back(sqrt(variance));
    }
    q.resize(count);
    std::vector<double> theta(count, 1.0);  // Θ/q; Θ¹ = Σ¹
    std::vector<Scaled> dot(count), dot_scale(count);
    std::vector<double> mean_slope(count, 0.0);
    std::vector<char> degenerate(count, 0);
    const auto keep = [&] {
        Scale<T> scale{std::vector<Scaled>(n_), Aligned<T>(padded_)};
        Scale<T> dots{std::vector<Scaled>(n_), Aligned<T>(padded_)};
        const Scaled growth = proportional_ && !q[0].zero() ? quotient(sqrt(q[0]), roots[0]) : Scaled();
        for (std::size_t i = 0; i < n_; ++i) {
            if (proportional_) {
                scale.exact[i] = roots[i] * growth;
                scale.rounded[i] = saturate<T>(scale.exact[i]);
                dots.exact[i] = dot_scale[0];
                dots.rounded[i] = saturate<T>(dot_scale[0]);
                continue;
            }
            if (alike() && i > 0) {
                scale.exact[i] = scale.exact[0];
                scale.rounded[i] = scale.rounded[0];
                dots.exact[i] = dots.exact[0];
                dots.rounded[i] = dots.rounded[0];
                continue;
            }
            scale.exact[i] = sqrt(q[i]);
            scale.rounded[i] = saturate<T>(scale.exact[i]);
            dots.exact[i] = dot_scale[i];
            dots.rounded[i] = saturate<T>(dot_scale[i]);
        }
        scale_.push_back(std::move(scale));
        dot_scale_.push_back(std::move(dots));
        kept_.push_back({theta, dot, mean_slope, degenerate});
    };
    if (levels == Levels::all || depth == 1) keep();

    std::atomic<bool> any_degenerate{false};
    for (std::size_t m = 0; m + 1 < depth; ++m) {
        const Affine& affine = network.affine[m + 1];
        const Scaled weight = square(affine.weight_std);
        const Scaled bias = square(affine.bias_std);
        check_variances(*layers[m], network.activation[m], m, q);
        layers[m]->prepare(q.data(), count, threads);
        tables_.push_back(Aligned<T>::raw(layers[m]->tables() * table_stride_));
        const bool keeps = levels == Levels::all || m + 2 == depth;
        if (tables == Tables::none) variance_.push_back(Aligned<double>::raw(count));
        const bool expanded = layers[m]->family() == Family::expanded;
        const std::size_t blocks = round_up(padded, kBlock) / kBlock;
        std::vector<Sensitivity> sensitivity(blocks);
        bias_.emplace_back(bias.zero() || moments_alone ? 0 : 3 * padded);
        bias_stride_ = padded;
        T* const r = bias_.back().data();
        const int workers = team(count * (moments_alone ? 64 : layers[m]->tables() + 64), threads);
        parallel_for(blocks, workers, [&](std::size_t block, int, Work&) {
            const std::size_t i0 = block * kBlock;
            const std::size_t i1 = std::min(count, i0 + kBlock);
            Moments moments[kBlock];
            T* const first = moments_alone ? nullptr : tables_.back().data() + i0;
            layers[m]->tabulate(q.data() + i0, i1 - i0, first, table_stride_, moments);
            for (std::size_t i = i0; i < i1; ++i) {
                const Moments& of = moments[i - i0];
                const Scaled a = weight * of.square;
                const Scaled next = a + bias;  // q⁺ = A + σ_b²
                const double share = next.zero() ? 0.0 : ratio(a, next);
                if (r != nullptr) {
                    const double rest = ratio(bias, next);
                    r[i] = static_cast<T>(std::sqrt(0.5 * share));
                    r[padded + i] = static_cast<T>(std::sqrt(0.5 * rest));
                    r[2 * padded + i] = static_cast<T>(rest / (1.0 + std::sqrt(share)));
                }
                if (tables == Tables::none) variance_.back()[i] = q[i].value();
                dot[i] = weight * of.slope_square;
                // Θ⁺/q⁺ = (Σ̇ q/q⁺) Θ/q + 1
                const double before = theta[i];
                theta[i] = (next.zero() ? 0.0 : ratio(dot[i] * q[i], next)) * theta[i] + 1.0;
                if (!a.zero() && !q[i].zero()) {
                    const double chi = ratio(of.slope_square * q[i], of.square);
                    const double passed = share * before / theta[i];
                    const Truncation lost = expanded ? layers[m]->truncation(i) : Truncation{};
                    const double curvature = expanded ? lost.curvature : of.curvature;
                    sensitivity[block].include({expanded, lost.tail, share, share * chi, passed * chi,
                                                passed * lost.slope_tail, passed * curvature,
                                                chi > 0 ? lost.slope_tail / chi : 0.0, chi > 0 ? curvature / chi : 0.0,
                                                1.0 / theta[i], of.bend, lost.angle, chi > 0 ? lost.kink / chi : 0.0});
                }
                degenerate[i] = q[i].zero() ? 1 : 0;
                if (q[i].zero()) any_degenerate.store(true, std::memory_order_relaxed);
                if (keeps) dot_scale[i] = q[i].zero() ? Scaled() : sqrt(quotient(a, q[i]));
                mean_slope[i] = affine.weight_std * of.mean_slope;
                q[i] = next;
            }
            const std::size_t end = std::min(padded, i0 + kBlock);
            for (std::size_t t = 0; first != nullptr && t < layers[m]->tables(); ++t) {  // the padding
                T* const table = first + t * table_stride_;
                std::fill(table + (i1 - i0), table + (end - i0), alike() ? *table : T(0));
            }
            if (!alike()) return;
            for (std::size_t t = 0; r != nullptr && t < 3; ++t) std::fill_n(r + t * padded, padded, r[t * padded]);
        });
        layers[m]->release();
        sensitivity_.emplace_back();
        for (const Sensitivity& of_block : sensitivity) sensitivity_.back().include(of_block);
        if (keeps) keep();
    }
    any_degenerate_ = any_degenerate.load();
    check_range();
}

template <class T>
void Samples<T>::take_layers(const Samples<double>& one) {
    const auto spread = [&](const Scaled& value) {
        return Scale<T>{std::vector<Scaled>(n_, value), Aligned<T>(padded_, saturate<T>(value))};
    };
    scale_.push_back(spread(one.scale_.back().exact[0]));
    dot_scale_.push_back(spread(one.dot_scale_.back().exact[0]));
    const auto& of = one.kept_.back();
    kept_.push_back({{of.theta[0]}, {of.sigma_dot[0]}, {of.mean_slope[0]}, {of.degenerate[0]}});
    any_degenerate_ = one.any_degenerate_;
    check_range();
}

template <class T>
void Samples<T>::check_range() {
    constexpr int kComfort = std::numeric_limits<T>::max_exponent / 2 - 16;
    const auto far = [](const Scaled& h) { return !h.zero() && std::abs(h.e) > kComfort; };
    for (const auto* scales : {&scale_, &dot_scale_}) {
        for (const Scale<T>& scale : *scales) {
            wide_ = wide_ || std::any_of(scale.exact.begin(), scale.exact.end(), far);
        }
    }
}

template void Samples<float>::make_layers(const Network&, const Layers<float>&, std::vector<Scaled>, Levels, Tables,
                                          int);
template void Samples<double>::make_layers(const Network&, const Layers<double>&, std::vector<Scaled>, Levels, Tables,
                                           int);
template void Samples<float>::take_layers(const Samples<double>&);
template void Samples<double>::take_layers(const Samples<double>&);

}  // namespace ntkcore
