// Pairs of samples on their way through the layers, one row of one tile at a time.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "angle_table.hpp"
#include "fine_start.hpp"
#include "lengths.hpp"
#include "ntkcore/aligned.hpp"
#include "ntkcore/gram.hpp"
#include "row.hpp"
#include "smooth.hpp"
#include "tile/kernels.hpp"

namespace ntkcore {

using tile::kColumnStep;
static_assert(kPanel == Samples<float>::kBlock);

inline constexpr std::size_t round_up_to(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

// Deeper networks are computed in double with the precise layer formulas: errors of the angles add up over the depth.
constexpr std::size_t kDeep = 16;

// The tables of all expansions take up to this many bytes, or a sixteenth of the result if that is more.
constexpr double kExpansionBytes = 68e6;

// For kernels between `rows` samples and themselves, or `cols` others.
template <class T>
Layers<T> make_layers(const Network& network, std::size_t rows, std::size_t cols, bool symmetric) {
    Layers<T> layers;
    std::size_t expansions = 0;
    for (const Activation& activation : network.activation) {
        layers.push_back(Layer<T>::make(activation));
        if (activation.family == Family::expanded) ++expansions;
    }
    const auto n = static_cast<double>(rows + kColumnStep);
    const auto m = static_cast<double>(cols + kColumnStep);
    const double bytes = std::max(kExpansionBytes, n * m * sizeof(T) / 16);
    const double per_term = static_cast<double>(expansions * sizeof(T)) * (symmetric ? n : n + m) + 8 * std::max(n, m);
    for (const auto& layer : layers) layer->limit(static_cast<std::size_t>(std::min(1e6, bytes / per_term)));
    return layers;
}

// For the rows of x, and of z if there is one; samples that are alike share the tables of one block.
template <class T, class IO>
Layers<T> make_layers(const Network& network, bool alike, MatrixView<const IO> x, const MatrixView<const IO>* z) {
    const auto count = [&](const MatrixView<const IO>& of) { return alike ? std::min(of.rows, kPanel) : of.rows; };
    return make_layers<T>(network, count(x), count(z == nullptr ? x : *z), z == nullptr);
}

[[nodiscard]] inline bool any_expanded(const Network& network) {
    return std::any_of(network.activation.begin(), network.activation.end(),
                       [](const Activation& activation) { return activation.family == Family::expanded; });
}

// Computes in T.
template <class T>
class Pairs {
   public:
    // Pairs of rows of x, or with z of rows of x and of z.
    template <class IO>
    Pairs(const Network& network, MatrixView<const IO> x, const std::type_identity_t<MatrixView<const IO>>* z,
          Levels levels, Wanted wanted, int threads)
        : wanted_(wanted),
          symmetric_(z == nullptr),
          looks_alike_(any_expanded(network) && (z == nullptr ? equal_lengths(x) : equal_lengths(x, *z))),
          layers_(make_layers<T>(network, looks_alike_, x, z)),
          precise_(network.depth() > kDeep),
          smooth_wanted_(levels == Levels::last && !precise_ && !wanted.sigma_dot && smooth_network(network) &&
                         may_be_smooth<T>(network, layers_, x)),
          rows_(network, layers_, x, levels, threads, nullptr, smooth_wanted_ ? Tables::none : Tables::all) {
        const auto make_rows = [&] { rows_ = Samples<T>(network, layers_, x, levels, threads); };
        const auto make_cols = [&](Tables tables = Tables::all) {
            if (z != nullptr) cols_storage_.emplace(network, layers_, *z, levels, threads, &rows_, tables);
        };
        make_cols(smooth_wanted_ ? Tables::none : Tables::all);
        if (smooth_wanted_) {
            if (!rows().wide_range() && !cols().wide_range()) {
                smooth_ = SmoothLayers<T>::make(network, rows(), cols(), symmetric_, threads);
            }
            if (!rows().tabulated() || !cols().tabulated()) {
                if (smooth_) return;  // nobody reads tables, and variances differ
                make_rows();
                make_cols();
            }
        }
        const bool alike = rows().alike() && cols().alike();
        if (any_expanded(network) && alike != looks_alike_) {
            layers_ = make_layers<T>(network, alike, x, z);
            make_rows();
            make_cols();
        }
        // the expansions of either side may have made those of the other longer
        const auto behind = [&](const Samples<T>& samples) {
            for (std::size_t m = 0; m < layers_.size(); ++m) {
                if (layers_[m]->tables() > samples.tables_count(m)) return true;
            }
            return false;
        };
        while (behind(rows()) || behind(cols())) {
            if (behind(rows())) make_rows();
            if (behind(cols())) make_cols();
        }
        for (const auto& layer : layers_) constants_.push_back(layer->constants());
        for (std::size_t m = 0; m < layers_.size(); ++m) uniform_.push_back(uniform(m) ? 1 : 0);
        compensated_ = precise_ && std::all_of(layers_.begin(), layers_.end(),
                                               [](const auto& layer) { return layer->family() == Family::ab_relu; });
        one_dimensional_ =
            scale_free(network) || std::all_of(uniform_.begin(), uniform_.end(), [](char same) { return same != 0; });
    }
    // The same for a table alone, which takes the place of all layers: those of `one`, a sample of the variance that
    // all have. If they have not, one_dimensional() is false, and these pairs are of no use.
    template <class IO>
    Pairs(const Network& network, MatrixView<const IO> x, const std::type_identity_t<MatrixView<const IO>>* z,
          Wanted wanted, int threads, const Samples<double>& one)
        : wanted_(wanted),
          symmetric_(z == nullptr),
          looks_alike_(true),
          rows_(network, layers_, x, Levels::last, threads, nullptr, Tables::none, &one) {
        if (z != nullptr)
            cols_storage_.emplace(network, layers_, *z, Levels::last, threads, &rows_, Tables::none, &one);
        one_dimensional_ = rows().alike() && cols().alike();
    }

    [[nodiscard]] const Samples<T>& rows() const { return rows_; }
    [[nodiscard]] const Samples<T>& cols() const { return symmetric_ ? rows_ : *cols_storage_; }
    [[nodiscard]] bool symmetric() const { return symmetric_; }
    [[nodiscard]] Wanted wanted() const { return wanted_; }

    // After every layer the kernels are functions of the angle, but for factors of each sample: all samples have the
    // same variance, or no layer feels it.
    [[nodiscard]] bool one_dimensional() const { return one_dimensional_; }
    // A rough number of vector operations per pair that all layers take.
    [[nodiscard]] double cost() const {
        double sum = 0.0;
        for (const auto& layer : layers_) {
            sum += layer->family() == Family::ab_relu ? (precise_ ? 50.0 : 32.0)
                                                      : 30.0 + 5.0 * static_cast<double>(layer->tables());
        }
        return sum;
    }
    // Of a table, which costs about as much as one layer of relu.
    [[nodiscard]] double cost_of_table() const {
        const auto count = static_cast<double>(wanted_.count());
        return std::is_same_v<T, double> ? 12.0 + 21.0 * count : 27.0 + 18.0 * count;
    }
    // What series or tables of the angle may deviate from the layers, relative to the maximum of ρ, D̂ and Θ (0: not
    // wanted): rounding errors, or a small part of what truncated expansions leave out (at angles below 1/degree that
    // shows in the slopes).
    [[nodiscard]] std::array<double, 3> tolerances(double rounding) const {
        double tail = 0.0, slope_tail = 0.0;
        for (std::size_t m = 0; m < layers_.size(); ++m) {
            tail += rows().sensitivity(m).tail;
            slope_tail += rows().sensitivity(m).slope_tail;
        }
        const auto tolerance = [&](bool is_wanted, double lost) {
            return is_wanted ? std::max(rounding, 0.03 * lost) : 0.0;
        };
        return {tolerance(wanted_.sigma, tail), tolerance(wanted_.sigma_dot, slope_tail),
                tolerance(wanted_.theta, slope_tail)};
    }
    // From now on the table stands for all layers.
    void use(const AngleTable& table) { table_.emplace(table); }
    [[nodiscard]] bool uses_table() const { return table_.has_value(); }
    void drop_table() { table_.reset(); }
    // From now on some angles come from double, if features are few.
    void start_finely(FineStart fine) { fine_.emplace(std::move(fine)); }

    // ρ, D̂ and Θ/√(qq') behind all layers where the first signed versines are these, for pairs of sample 0 with the
    // next ones; null where one is not wanted.
    void at_versines(const std::vector<double>& u, RowSpace<T>& space, double* rho, double* dot, double* theta) const {
        const std::size_t panel = std::min(kPanel, cols().size());
        prepare_layers(0, space);
        for (std::size_t done = 0; done < u.size(); done += panel) {
            const std::size_t n = std::min(panel, u.size() - done);
            Row<T> row;
            row.i = row.j0 = row.first = row.begin = 0;
            row.last = n;
            row.end = round_up_to(n, kColumnStep);
            row.u = space.u.data();
            row.theta = theta != nullptr ? space.theta.data() : nullptr;
            row.theta_low = theta != nullptr && compensated_ ? space.theta_low.data() : nullptr;
            row.dot = dot != nullptr ? space.dot.data() : nullptr;
            std::fill_n(space.theta_low.data(), kPanel, T(0));
            std::fill_n(space.dot.data(), kPanel, T(0));
            std::fill_n(space.u.data(), kPanel, T(0));
            std::fill_n(space.theta.data(), kPanel, T(1));
            for (std::size_t j = 0; j < n; ++j) {
                space.u[j] = static_cast<T>(u[done + j]);
                space.theta[j] = static_cast<T>(correlation(u[done + j]));
            }
            for (std::size_t m = 0; m < layers_.size(); ++m) layer(row, m, space);
            for (std::size_t j = 0; j < n; ++j) {
                if (rho != nullptr) rho[done + j] = correlation(static_cast<double>(row.u[j]));
                if (dot != nullptr) dot[done + j] = static_cast<double>(row.dot[j]);
                if (theta != nullptr) theta[done + j] = static_cast<double>(row.theta[j]);
            }
        }
    }
    // ρ of a signed versine, see tile/kernels.hpp.
    [[nodiscard]] static double correlation(double u) { return std::signbit(u) ? -(1 + u) : 1 - u; }

    // `input`: the rounding error of the samples and of the result. `found`: the largest deviations that were found of
    // what takes the place of the layers.
    [[nodiscard]] Report report(double input, const std::array<double, 3>* found = nullptr) const {
        std::vector<Sensitivity> sensitivity;
        Report result;
        for (std::size_t m = 0; m < layers_.size(); ++m) {
            sensitivity.push_back(rows().sensitivity(m));
            sensitivity.back().include(cols().sensitivity(m));
            result.degrees.push_back(layers_[m]->degree());
            result.capped = result.capped || layers_[m]->capped();
        }
        const double epsilon = std::max<double>(std::numeric_limits<T>::epsilon(), input);
        result.bounds = error_bounds(sensitivity, epsilon);
        if (found != nullptr) {
            ErrorBound& last = result.bounds.back();
            last.sigma += 4 * (*found)[0];
            last.sigma_dot += 4 * (*found)[1];
            last.theta += 4 * (*found)[2];
        }
        return result;
    }

    // Row i against the columns j0 … j1, its state in slot `slot` of the space.
    [[nodiscard]] Row<T> state(std::size_t i, std::size_t j0, std::size_t j1, std::size_t slot,
                               RowSpace<T>& space) const {
        Row<T> row;
        row.i = i;
        row.j0 = j0;
        row.first = symmetric_ && i > j0 ? std::min(i, j1) - j0 : 0;  // from the diagonal on
        row.last = j1 - j0;
        row.begin = row.first / kColumnStep * kColumnStep;
        row.end = row.first < row.last ? round_up_to(row.last, kColumnStep) : row.begin;
        row.u = space.u.data() + slot * kPanel;
        row.theta = wanted_.theta ? space.theta.data() + slot * kPanel : nullptr;
        row.theta_low = row.theta != nullptr && compensated_ ? space.theta_low.data() + slot * kPanel : nullptr;
        row.dot = wanted_.sigma_dot ? space.dot.data() + slot * kPanel : nullptr;
        return row;
    }

    // ρ¹ and Θ¹ = Σ¹; `product`: the row's inner products, unless samples are compared feature by feature.
    void start(const Row<T>& row, const T* product) const {
        if (uses_smooth() && smooth_->start(rows(), cols(), row.i, row.j0, row.begin, row.end, row.u, row.theta))
            return;
        if (rows().direct()) {
            k_.start_direct({rows().panel(row.i / kPanel), row.i % kPanel, cols().panel(row.j0 / kPanel),
                             rows().features(), row.begin, row.end, row.u, row.theta});
        } else {
            k_.start_product({product, rows().half_norm()[row.i], cols().half_norm() + row.j0, rows().row(row.i),
                              cols().row(row.j0), rows().centre(), rows().feature_stride(), row.last, row.begin,
                              row.end, row.u, row.theta});
        }
        if constexpr (std::is_same_v<T, float>) {
            if (fine_) fine_->refine(row.i, row.j0, row.begin, row.end, row.u);
        }
        // Samples without any variance have no direction. They count as parallel to each other and orthogonal to the
        // rest: the limit of a vanishing common bias.
        if (rows().any_zero() || cols().any_zero()) {
            for (std::size_t j = row.begin; j < row.last; ++j) {
                const bool zero = cols().zero_input(row.j0 + j);
                if (!zero && !rows().zero_input(row.i)) continue;
                row.u[j] = zero && rows().zero_input(row.i) ? T(0) : T(1);
                if (row.theta != nullptr) row.theta[j] = 1 - row.u[j];
            }
        }
        if (row.theta_low != nullptr) std::fill(row.theta_low + row.begin, row.theta_low + row.end, T(0));
    }

    // What the calls of all rows of the tiles from column j0 on have in common.
    void prepare_layers(std::size_t j0, RowSpace<T>& space) const {
        if (!cols().tabulated()) return;
        for (std::size_t m = 0; m < layers_.size(); ++m) {
            tile::LayerCall<T>& call = space.calls[m];
            const bool bias = cols().r(m) != nullptr;
            call.r = bias ? cols().r(m, j0) : nullptr;
            call.s = bias ? cols().s(m, j0) : nullptr;
            call.p = bias ? cols().p(m, j0) : nullptr;
            call.r_row = call.s_row = call.p_row = T(0);
            call.precise = precise_;
            call.n_tables = layers_[m]->tables();
            call.tables = call.n_tables == 0 ? nullptr : cols().tables(m, j0);
            call.stride = cols().stride();
            call.row_tables = nullptr;
            call.row_stride = rows().stride();
            call.constants = constants_[m].data();
            call.uniform = uniform_[m] != 0;
            call.nonnegative = m > 0 && layers_[m - 1]->nonnegative();
        }
    }

    // Hidden layer m and the affine map behind it.
    void layer(const Row<T>& row, std::size_t m, RowSpace<T>& space) const {
        tile::LayerCall<T>& call = space.calls[m];
        call.begin = row.begin;
        call.end = row.end;
        call.u = row.u;
        call.theta = row.theta;
        call.theta_low = row.theta_low;
        call.dot = row.dot;
        if (call.r != nullptr) {
            call.r_row = *rows().r(m, row.i);
            call.s_row = *rows().s(m, row.i);
            call.p_row = *rows().p(m, row.i);
        }
        if (call.n_tables > 0) call.row_tables = rows().tables(m, row.i);
        k_.layer[static_cast<std::size_t>(layers_[m]->family())](call);
    }

    // Smooth layers at moderate variances: then Σ and Θ themselves are computed, Σ in place of the signed versine.
    [[nodiscard]] bool uses_smooth() const { return smooth_.has_value() && !table_; }
    void smooth_layers(const Row<T>& row) const { smooth_->run(row.i, row.j0, row.begin, row.end, row.u, row.theta); }

    // All layers, by their table.
    void all_layers(const Row<T>& row) const { table_->run(k_, row.begin, row.end, row.u, row.dot, row.theta); }

   private:
    // All samples, of rows and columns, have the same tables in hidden layer m.
    [[nodiscard]] bool uniform(std::size_t m) const {
        const Samples<T>& like = rows();
        const auto same = [&](const Samples<T>& of, const T* table, const T* first) {
            const std::size_t n = of.alike() ? 1 : of.size();
            return table == nullptr || std::all_of(table, table + n, [&](T x) { return x == *first; });
        };
        for (const Samples<T>* of : {&rows(), &cols()}) {
            if (!same(*of, of->r(m), like.r(m)) || !same(*of, of->s(m), like.s(m))) return false;
            for (std::size_t t = 0; t < layers_[m]->tables(); ++t) {
                if (!same(*of, of->tables(m) + t * of->stride(), like.tables(m) + t * like.stride())) return false;
            }
        }
        return true;
    }

    // σ(cx) = c^k σ(x) for c > 0 in every hidden layer, and no bias behind any: only directions matter. The tables of
    // such layers are then the same for all samples but for rounding errors, and but for those without variance.
    [[nodiscard]] bool scale_free(const Network& network) const {
        for (std::size_t m = 0; m < network.activation.size(); ++m) {
            if (!homogeneous(network.activation[m]) || network.affine[m + 1].bias_std != 0.0) return false;
        }
        return !rows().any_degenerate() && !cols().any_degenerate();
    }

    Wanted wanted_;
    bool symmetric_;
    bool looks_alike_;
    Layers<T> layers_;
    bool precise_ = false, smooth_wanted_ = false;
    Samples<T> rows_;
    std::optional<Samples<T>> cols_storage_;
    const tile::Kernels<T>& k_ = tile::kernels<T>();
    std::vector<std::vector<T>> constants_;  // of the layers
    std::vector<char> uniform_;              // all samples have the same tables there
    bool compensated_ = false, one_dimensional_ = false;
    std::optional<SmoothLayers<T>> smooth_;
    std::optional<RoundedTable<T>> table_;
    std::optional<FineStart> fine_;  // of kernels that the table gives from u alone
};

}  // namespace ntkcore
