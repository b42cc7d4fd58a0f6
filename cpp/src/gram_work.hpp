// How a Gram matrix is computed: strips of rows against panels of columns, each tile through all layers in the cache.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>
#include <type_traits>
#include <utility>

#include "curve.hpp"
#include "ntkcore/gram.hpp"
#include "tile/kernels.hpp"

namespace ntkcore {

using tile::kColumnStep;
using tile::kPanel;
static_assert(kPanel == Samples<float>::kBlock);

inline constexpr std::size_t round_up_to(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

// Rows of a task: a strip of them meets one panel of 256 columns. Products want tall strips (each one packs its
// operands anew), small results many tasks, and where all levels are kept the state of a whole strip is.
inline std::size_t strip_height(std::size_t rows, std::size_t cols, Levels levels) {
    if (rows * cols < std::size_t{1} << 19) return 16;
    if (levels == Levels::all) return 64;
    return 128;
}

// Deeper networks are computed in double with the precise layer formulas: errors of the angles add up over the depth.
constexpr std::size_t kDeep = 16;

constexpr std::size_t kMirrorColumns = 32;  // transposed at a time, so that source and target stay in the L1 cache

template <class T>
struct Workspace {
    Workspace(std::size_t strip, std::size_t kernels, std::size_t slots, std::size_t layers)
        : tiles(kernels * strip * kPanel),
          mirrored(kMirrorColumns * strip),
          u(slots * kPanel),
          theta(slots * kPanel),
          theta_low(slots * kPanel),
          dot(slots * kPanel),
          calls(layers) {}
    Aligned<T> tiles;  // the results of a strip and a panel, one tile per kernel; the first holds the products before
    Aligned<T> mirrored;                  // some columns of a tile, transposed
    Aligned<T> u, theta, theta_low, dot;  // the state of a row, or of each row of a strip
    std::vector<tile::LayerCall<T>> calls;
};

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
    const auto n = static_cast<double>(rows);
    const auto m = static_cast<double>(cols);
    const double bytes = std::max(kExpansionBytes, n * m * sizeof(T) / 16);
    const double per_term = static_cast<double>(expansions * sizeof(T)) * (symmetric ? n : n + m) + 8 * std::max(n, m);
    for (const auto& layer : layers) layer->limit(static_cast<std::size_t>(std::min(1e6, bytes / per_term)));
    return layers;
}

// Computes in T, reads and writes IO.
template <class T, class IO>
class Gram {
   public:
    Gram(const Network& network, MatrixView<const IO> x, const MatrixView<const IO>* z, Levels levels,
         const Outputs<IO>& out, int threads)
        : network_(network),
          levels_(levels),
          out_(out),
          symmetric_(z == nullptr),
          layers_(make_layers<T>(network, x.rows, z == nullptr ? x.rows : z->rows, symmetric_)),
          rows_(network, layers_, x, levels, threads) {
        if (z != nullptr) {
            cols_storage_.emplace(network, layers_, *z, levels, threads, &rows_);
            bool more = false;  // terms in the columns' expansions than in those of the rows
            for (std::size_t m = 0; m < layers_.size(); ++m)
                more = more || layers_[m]->tables() > rows_.tables_count(m);
            if (more) rows_ = Samples<T>(network, layers_, x, levels, threads);
        }
        wide_ = rows().wide_range() || cols().wide_range();
        for (const auto& layer : layers_) constants_.push_back(layer->constants());
        for (std::size_t m = 0; m < layers_.size(); ++m) uniform_.push_back(uniform(m) ? 1 : 0);
        strip_ = strip_height(rows().size(), cols().size(), levels);
        panels_ = round_up_to(cols().size(), kPanel) / kPanel;
        strips_ = round_up_to(rows().size(), strip_) / strip_;
        const std::size_t kernels =
            (out.sigma.empty() ? 0 : 1) + (out.sigma_dot.empty() ? 0 : 1) + (out.theta.empty() ? 0 : 1);
        // A result that the caches hold is better left there.
        precise_ = network.depth() > kDeep;
        compensated_ = precise_ && std::all_of(layers_.begin(), layers_.end(),
                                               [](const auto& layer) { return layer->family() == Family::ab_relu; });
        past_cache_ = rows().size() * cols().size() * sizeof(IO) * kernels > (std::size_t{8} << 20);
        for (int t = 0; t < std::max(1, threads); ++t) {
            spaces_.emplace_back(strip_, kernels, levels == Levels::all ? strip_ : 1, layers_.size());
        }
    }

    // All samples are alike but for their directions: after every layer the kernels are functions of the angle.
    [[nodiscard]] bool one_dimensional() const {
        return std::all_of(uniform_.begin(), uniform_.end(), [](char x) { return x != 0; });
    }
    // A rough number of vector operations per pair that all layers take.
    [[nodiscard]] double cost() const {
        double sum = 0.0;
        for (const auto& layer : layers_) {
            sum += layer->family() == Family::ab_relu ? (precise_ ? 50.0 : 32.0)
                                                      : 30.0 + 5.0 * static_cast<double>(layer->tables());
        }
        return sum;
    }
    // From now on the series stand for all layers.
    void use(const Curve& curve) {
        const auto rounded = [](const std::vector<double>& from) { return std::vector<T>(from.begin(), from.end()); };
        rho_ = rounded(curve.rho);
        dot_ = rounded(curve.dot);
        theta_ = rounded(curve.theta);
        curve_ = true;
    }
    [[nodiscard]] double cost_of(const Curve& curve) const {
        const std::size_t terms = (out_.sigma.empty() ? 0 : curve.rho.size()) +
                                  (out_.sigma_dot.empty() ? 0 : curve.dot.size()) +
                                  (out_.theta.empty() ? 0 : curve.theta.size());
        return 22.0 + 2.3 * static_cast<double>(terms);
    }

    // ρ, D̂ and Θ/√(qq') behind all layers where the first ones are cos(angles), for pairs of sample 0 with the next
    // ones.
    void at_angles(const std::vector<double>& angles, double* rho, double* dot, double* theta) {
        Workspace<T>& space = spaces_.front();
        const Tile t{0, 1, 0, std::min(kPanel, cols().size())};
        prepare_layers(t, space);
        for (std::size_t done = 0; done < angles.size(); done += t.j1) {
            const std::size_t n = std::min(t.j1, angles.size() - done);
            Row row;
            row.i = row.j0 = row.first = row.begin = 0;
            row.last = n;
            row.end = round_up_to(n, kColumnStep);
            row.u = space.u.data();
            row.theta = space.theta.data();
            row.theta_low = compensated_ ? space.theta_low.data() : nullptr;
            row.dot = space.dot.data();
            std::fill_n(space.theta_low.data(), kPanel, T(0));
            std::fill_n(row.u, kPanel, T(0));
            std::fill_n(row.theta, kPanel, T(1));
            for (std::size_t j = 0; j < n; ++j) {
                const double angle = angles[done + j];
                const bool opposite = angle > std::numbers::pi / 2;
                const double half = opposite ? std::cos(angle / 2) : std::sin(angle / 2);
                row.u[j] = static_cast<T>(opposite ? -2 * half * half : 2 * half * half);
                row.theta[j] = static_cast<T>(std::cos(angle));
            }
            for (std::size_t m = 0; m < layers_.size(); ++m) layer(row, m, space);
            for (std::size_t j = 0; j < n; ++j) {
                const double u = static_cast<double>(row.u[j]);
                rho[done + j] = std::signbit(u) ? -(1 + u) : 1 - u;
                dot[done + j] = static_cast<double>(row.dot[j]);
                theta[done + j] = static_cast<double>(row.theta[j]);
            }
        }
    }

    [[nodiscard]] Report report() const {
        std::vector<Sensitivity> sensitivity;
        Report result;
        for (std::size_t m = 0; m < layers_.size(); ++m) {
            sensitivity.push_back(rows().sensitivity(m));
            sensitivity.back().include(cols().sensitivity(m));
            result.degrees.push_back(layers_[m]->degree());
            result.capped = result.capped || layers_[m]->capped();
        }
        const double epsilon = std::max<double>(std::numeric_limits<T>::epsilon(), std::numeric_limits<IO>::epsilon());
        result.bounds = error_bounds(sensitivity, epsilon);
        return result;
    }

    // True if an entry was too large for T and was set to its largest number.
    bool run(int threads, const Poll* poll) {
        // Symmetric: the strip of row i meets the panels from i/256 on. Tasks before strip s:
        std::vector<std::size_t> first(strips_ + 1, 0);
        for (std::size_t s = 0; s < strips_; ++s) first[s + 1] = first[s] + panels_ - first_panel(s);
        const auto task = [&](std::size_t t, int worker, Work& work) {
            const auto next = std::upper_bound(first.begin(), first.end(), t);
            const auto strip = static_cast<std::size_t>(next - first.begin()) - 1;
            const std::size_t panel = first_panel(strip) + (t - first[strip]);
            const Tile bounds{strip * strip_, std::min(rows().size(), (strip + 1) * strip_), panel * kPanel,
                              std::min(cols().size(), (panel + 1) * kPanel)};
            tile(bounds, spaces_[static_cast<std::size_t>(worker)], worker, work);
        };
        parallel_for(first.back(), threads, task, poll);
        return clipped_.load();
    }

   private:
    struct Tile {
        std::size_t i0, i1, j0, j1;  // rows i0 … i1 against columns j0 … j1 of the result
    };
    // Row i of a tile: columns [first, last) of the panel are wanted, [begin, end) computed.
    struct Row {
        std::size_t i, j0, first, last, begin, end;
        T *u, *theta, *theta_low, *dot;  // see tile/kernels.hpp; null where not needed
    };

    [[nodiscard]] const Samples<T>& rows() const { return rows_; }
    [[nodiscard]] const Samples<T>& cols() const { return symmetric_ ? rows_ : *cols_storage_; }
    [[nodiscard]] std::size_t first_panel(std::size_t strip) const { return symmetric_ ? strip * strip_ / kPanel : 0; }

    // All samples, of rows and columns, have the same tables in hidden layer m.
    [[nodiscard]] bool uniform(std::size_t m) const {
        const Samples<T>& like = rows();
        const auto same = [&](const Samples<T>& of, const T* table, const T* first) {
            return table == nullptr || std::all_of(table, table + of.size(), [&](T x) { return x == *first; });
        };
        for (const Samples<T>* of : {&rows(), &cols()}) {
            if (!same(*of, of->r(m), like.r(m)) || !same(*of, of->s(m), like.s(m))) return false;
            for (std::size_t t = 0; t < layers_[m]->tables(); ++t) {
                if (!same(*of, of->tables(m) + t * of->stride(), like.tables(m) + t * like.stride())) return false;
            }
        }
        return true;
    }

    // One strip against one panel. State and results stay in this worker's buffers until the tile is complete.
    void tile(const Tile& t, Workspace<T>& space, int worker, Work& work) const {
        if (!rows().direct()) multiply(t, space);
        prepare_layers(t, space);
        const std::size_t depth = network_.depth();
        if (levels_ == Levels::last) {  // row by row through all layers: the state is one row, in the L1 cache
            for (std::size_t i = t.i0; i < t.i1; ++i) {
                if (work.stopped(worker)) return;
                const Row row = start(t, i, 0, space);
                if (curve_) {
                    all_layers(row);
                } else {
                    for (std::size_t m = 0; m + 1 < depth; ++m) layer(row, m, space);
                }
                write(t, row, 0, depth - 1, space);
                copy_out(t, row, 0, space);  // on its way to memory while the next row is computed
            }
            return mirror(t, 0, space);
        }
        for (std::size_t i = t.i0; i < t.i1; ++i) start(t, i, i - t.i0, space);
        for (std::size_t level = 0; level < depth; ++level) {
            for (std::size_t i = t.i0; i < t.i1; ++i) {
                if (work.stopped(worker)) return;
                const Row row = state(t, i, i - t.i0, space);
                if (level > 0) layer(row, level - 1, space);
                write(t, row, level, level, space);
                copy_out(t, row, level, space);
            }
            mirror(t, level, space);
        }
    }

    // The products of the centred rows of strip and panel, into the first result tile; strips that cross the diagonal
    // skip what lies below it.
    void multiply(const Tile& t, Workspace<T>& space) const {
        const bool diagonal = symmetric_ && t.i1 > t.j0;
        const std::size_t part = diagonal ? tile::kStrip<T> : t.i1 - t.i0;
        for (std::size_t i = t.i0; i < t.i1; i += part) {
            const std::size_t j = diagonal && i > t.j0 ? i / tile::kStrip<T> * tile::kStrip<T> : t.j0;
            if (j >= t.j1) continue;
            k_.product({rows().strips(), cols().strips(), rows().features(), i, std::min(t.i1, i + part), j, t.j1,
                        space.tiles.data() + (i - t.i0) * kPanel + (j - t.j0)});
        }
    }

    // The state of row i, kept in slot `slot` of the buffers.
    [[nodiscard]] Row state(const Tile& t, std::size_t i, std::size_t slot, Workspace<T>& space) const {
        Row row;
        row.i = i;
        row.j0 = t.j0;
        row.first = symmetric_ && i > t.j0 ? std::min(i, t.j1) - t.j0 : 0;  // from the diagonal on
        row.last = t.j1 - t.j0;
        row.begin = row.first / kColumnStep * kColumnStep;
        row.end = row.first < row.last ? round_up_to(row.last, kColumnStep) : row.begin;
        row.u = space.u.data() + slot * kPanel;
        row.theta = out_.theta.empty() ? nullptr : space.theta.data() + slot * kPanel;
        row.theta_low = row.theta != nullptr && compensated_ ? space.theta_low.data() + slot * kPanel : nullptr;
        row.dot = out_.sigma_dot.empty() ? nullptr : space.dot.data() + slot * kPanel;
        return row;
    }

    Row start(const Tile& t, std::size_t i, std::size_t slot, Workspace<T>& space) const {
        const Row row = state(t, i, slot, space);
        if (rows().direct()) {
            k_.start_direct({rows().panel(i / kPanel), i % kPanel, cols().panel(t.j0 / kPanel), rows().features(),
                             row.begin, row.end, row.u, row.theta});  // Θ¹ = Σ¹
        } else {
            k_.start_product({space.tiles.data() + (i - t.i0) * kPanel, rows().half_norm()[i],
                              cols().half_norm() + t.j0, rows().row(i), cols().row(t.j0), rows().centre(),
                              rows().feature_stride(), row.last, row.begin, row.end, row.u, row.theta});  // Θ¹ = Σ¹
        }
        // Samples without any variance have no direction. They count as parallel to each other and orthogonal to the
        // rest: the limit of a vanishing common bias.
        if (rows().any_zero() || cols().any_zero()) {
            for (std::size_t j = row.begin; j < row.last; ++j) {
                const bool zero = cols().zero_input(t.j0 + j);
                if (!zero && !rows().zero_input(i)) continue;
                row.u[j] = zero && rows().zero_input(i) ? T(0) : T(1);
                if (row.theta != nullptr) row.theta[j] = 1 - row.u[j];
            }
        }
        if (row.theta_low != nullptr) std::fill(row.theta_low + row.begin, row.theta_low + row.end, T(0));
        return row;
    }

    // What the calls of all rows of a tile have in common.
    void prepare_layers(const Tile& t, Workspace<T>& space) const {
        for (std::size_t m = 0; m < layers_.size(); ++m) {
            tile::LayerCall<T>& call = space.calls[m];
            const bool bias = cols().r(m) != nullptr;
            call.r = bias ? cols().r(m) + t.j0 : nullptr;
            call.s = bias ? cols().s(m) + t.j0 : nullptr;
            call.p = bias ? cols().p(m) + t.j0 : nullptr;
            call.r_row = call.s_row = call.p_row = T(0);
            call.precise = precise_;
            call.n_tables = layers_[m]->tables();
            call.tables = call.n_tables == 0 ? nullptr : cols().tables(m) + t.j0;
            call.stride = cols().stride();
            call.row_tables = nullptr;
            call.row_stride = rows().stride();
            call.constants = constants_[m].data();
            call.uniform = uniform_[m] != 0;
            call.nonnegative = m > 0 && layers_[m - 1]->nonnegative();
        }
    }

    // The layers as functions of the angle.
    void all_layers(const Row& row) const {
        const bool dot = row.dot != nullptr;
        const bool theta = row.theta != nullptr;
        const bool rho = !out_.sigma.empty();
        k_.curve({row.begin, row.end, row.u, row.theta, row.dot, rho_.data(), theta_.data(), dot_.data(),
                  rho ? rho_.size() : 0, theta ? theta_.size() : 0, dot ? dot_.size() : 0});
    }

    void layer(const Row& row, std::size_t m, Workspace<T>& space) const {
        tile::LayerCall<T>& call = space.calls[m];
        call.begin = row.begin;
        call.end = row.end;
        call.u = row.u;
        call.theta = row.theta;
        call.theta_low = row.theta_low;
        call.dot = row.dot;
        if (call.r != nullptr) {
            call.r_row = rows().r(m)[row.i];
            call.s_row = rows().s(m)[row.i];
            call.p_row = rows().p(m)[row.i];
        }
        if (call.n_tables > 0) call.row_tables = rows().tables(m) + row.i;
        k_.layer[static_cast<std::size_t>(layers_[m]->family())](call);
    }

    // The kernels of depth `map` + 1, for the wanted level `level`, into the result tiles.
    void write(const Tile& t, const Row& row, std::size_t level, std::size_t map, Workspace<T>& space) const {
        if (row.first >= row.last) return;
        T* to = space.tiles.data() + (row.i - t.i0) * kPanel;
        const std::size_t next = strip_ * kPanel;
        const bool diagonal = symmetric_ && row.i >= t.j0;
        if (!out_.sigma.empty()) {
            put(row, rows().scale(level), cols().scale(level), row.u, k_.store_sigma, to,
                [&](std::size_t j) { return std::signbit(row.u[j]) ? -(1 + row.u[j]) : 1 - row.u[j]; });
            if (diagonal) to[row.first] = note(rows().sigma_diagonal(level, row.i));
            to += next;
        }
        if (!out_.sigma_dot.empty()) {
            put_dot(row, level, map, to);
            if (diagonal && map > 0) to[row.first] = note(rows().sigma_dot_diagonal(level, row.i));
            to += next;
        }
        if (!out_.theta.empty()) {
            put(row, rows().scale(level), cols().scale(level), row.theta, k_.store_theta, to,
                [&](std::size_t j) { return row.theta[j]; });
            if (diagonal) to[row.first] = note(rows().theta_diagonal(level, row.i));
        }
    }

    // state·scale·scale'. With exponents of their own where an entry may be in range though its factors are not.
    template <class State>
    void put(const Row& row, const Scale<T>& row_scale, const Scale<T>& col_scale, const T* state,
             void (*store)(const tile::StoreCall<T>&), T* to, State value) const {
        if (!wide_) {
            return store({row.first, row.last, state, row_scale.rounded[row.i], col_scale.rounded.data() + row.j0, to});
        }
        for (std::size_t j = row.first; j < row.last; ++j) {
            const Scaled scale = row_scale.exact[row.i] * col_scale.exact[row.j0 + j];
            to[j] = note(saturate<T>(static_cast<double>(value(j)) * scale));
        }
    }

    void put_dot(const Row& row, std::size_t level, std::size_t map, T* to) const {
        if (map == 0) return std::fill(to + row.first, to + row.last, T(0));
        put(row, rows().dot_scale(level), cols().dot_scale(level), row.dot, k_.store_theta, to,
            [&](std::size_t j) { return row.dot[j]; });
        if (!rows().any_degenerate() && !cols().any_degenerate()) return;
        const bool none = rows().degenerate(level, row.i);  // no variance: σ̇ is a constant
        for (std::size_t j = row.first; j < row.last; ++j) {
            const bool none_either = cols().degenerate(level, row.j0 + j);
            if (none && none_either) {
                to[j] = rows().sigma_dot_diagonal(level, row.i);
            } else if (none || none_either) {
                const double product = rows().mean_slope(level, row.i) * cols().mean_slope(level, row.j0 + j);
                to[j] = note(saturate<T>(Scaled(product)));
            }
        }
    }

    T note(T value) const {
        if (std::fabs(value) == std::numeric_limits<T>::max()) clipped_.store(true, std::memory_order_relaxed);
        return value;
    }

    [[nodiscard]] IO converted(T value) const {
        if constexpr (std::is_same_v<T, IO>) {
            return value;
        } else {
            constexpr T kLimit = std::numeric_limits<IO>::max();
            if (std::fabs(value) <= kLimit) return static_cast<IO>(value);
            clipped_.store(true, std::memory_order_relaxed);
            return value > 0 ? std::numeric_limits<IO>::max() : std::numeric_limits<IO>::lowest();
        }
    }

    // f(the view of a wanted kernel at this level, its tile)
    template <class F>
    void each_kernel(std::size_t level, Workspace<T>& space, F f) const {
        const T* tile = space.tiles.data();
        for (const auto* views : {&out_.sigma, &out_.sigma_dot, &out_.theta}) {
            if (views->empty()) continue;
            f((*views)[level], tile);
            tile += strip_ * kPanel;
        }
    }

    void copy_out(const Tile& t, const Row& row, std::size_t level, Workspace<T>& space) const {
        if (row.first >= row.last) return;
        each_kernel(level, space, [&](const MatrixView<IO>& view, const T* tile) {
            put_line(view, row.i, row.j0 + row.first, row.last - row.first, tile + (row.i - t.i0) * kPanel + row.first);
        });
    }

    // K(j, i) = K(i, j) for what of the tile is above the diagonal.
    void mirror(const Tile& t, std::size_t level, Workspace<T>& space) const {
        if (symmetric_) {
            each_kernel(level, space,
                        [&](const MatrixView<IO>& view, const T* tile) { mirror_one(t, tile, view, space); });
        }
        k_.finish_copies();
    }

    void mirror_one(const Tile& t, const T* tile, const MatrixView<IO>& view, Workspace<T>& space) const {
        T* const lines = space.mirrored.data();
        for (std::size_t c0 = std::max(t.j0, t.i0); c0 < t.j1; c0 += kMirrorColumns) {
            const std::size_t c1 = std::min(t.j1, c0 + kMirrorColumns);
            const std::size_t rows_above = std::min(t.i1, c0) - t.i0;  // rows whose columns c0 … c1 are all above
            k_.transpose(rows_above, c1 - c0, tile + (c0 - t.j0), kPanel, lines, static_cast<std::ptrdiff_t>(strip_));
            for (std::size_t c = c0; c < c1; ++c) {
                put_line(view, c, t.i0, rows_above, lines + (c - c0) * strip_);
                for (std::size_t i = t.i0 + rows_above; i < std::min(t.i1, c); ++i) {
                    view(c, i) = converted(tile[(i - t.i0) * kPanel + (c - t.j0)]);
                }
            }
        }
    }

    void put_line(const MatrixView<IO>& view, std::size_t i, std::size_t j, std::size_t n, const T* from) const {
        if constexpr (std::is_same_v<T, IO>) {
            if (view.contiguous_rows()) return k_.copy(n, from, view.row(i) + j, past_cache_);
        }
        for (std::size_t k = 0; k < n; ++k) view(i, j + k) = converted(from[k]);
    }

    const Network& network_;
    Levels levels_;
    const Outputs<IO>& out_;
    bool symmetric_;
    Layers<T> layers_;
    Samples<T> rows_;
    std::optional<Samples<T>> cols_storage_;
    const tile::Kernels<T>& k_ = tile::kernels<T>();
    std::vector<std::vector<T>> constants_;  // of the layers
    std::vector<char> uniform_;              // all samples have the same tables there
    bool wide_ = false, past_cache_ = false, precise_ = false, compensated_ = false;
    std::size_t strip_ = 0, strips_ = 0, panels_ = 0;
    bool curve_ = false;
    std::vector<T> rho_, dot_, theta_;  // the series of the curve
    std::vector<Workspace<T>> spaces_;
    mutable std::atomic<bool> clipped_{false};
};

}  // namespace ntkcore
