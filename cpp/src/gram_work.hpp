// How a Gram matrix is computed: strips of rows against panels of columns, each tile through all layers in the cache.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "pairs.hpp"

namespace ntkcore {

// Rows of a task: a strip of them meets one panel of 256 columns. Products want tall strips (each one packs its
// operands anew), small results many tasks, and where all levels are kept the state of a whole strip is.
inline std::size_t strip_height(std::size_t rows, std::size_t cols, Levels levels) {
    if (rows * cols < std::size_t{1} << 19) return 16;
    if (levels == Levels::all) return 64;
    return 128;
}

template <class T>
struct Workspace {
    Workspace(std::size_t strip, std::size_t kernels, std::size_t slots, std::size_t layers)
        : tiles(kernels * strip * tile::kTileStride<T>), mirrored(tile::kLine<T> * strip), rows(slots, layers) {}
    Aligned<T> tiles;  // the results of a strip and a panel, one tile per kernel; the first holds the products before
    Aligned<T> mirrored;  // some columns of a tile, transposed
    RowSpace<T> rows;     // the state of a row, or of each row of a strip
};

// Computes in T, reads and writes IO.
template <class T, class IO>
class Gram {
   public:
    Gram(const Network& network, Levels levels, const Outputs<IO>& out, int threads, Pairs<T> pairs)
        : depth_(network.depth()), levels_(levels), out_(out), symmetric_(pairs.symmetric()), pairs_(std::move(pairs)) {
        wide_ = rows().wide_range() || cols().wide_range();
        strip_ = strip_height(rows().size(), cols().size(), levels);
        panels_ = round_up_to(cols().size(), kPanel) / kPanel;
        strips_ = round_up_to(rows().size(), strip_) / strip_;
        const std::size_t kernels = pairs_.wanted().count();
        // A result that the caches hold is better left there.
        past_cache_ = rows().size() * cols().size() * sizeof(IO) * kernels > (std::size_t{8} << 20);
        for (int t = 0; t < std::max(1, threads); ++t) {
            spaces_.emplace_back(strip_, kernels, levels == Levels::all ? strip_ : 1, depth_ - 1);
        }
    }

    [[nodiscard]] Pairs<T>& pairs() { return pairs_; }
    [[nodiscard]] Report report() const { return pairs_.report(std::numeric_limits<IO>::epsilon()); }

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
    static constexpr std::size_t kStride = tile::kTileStride<T>;
    struct Tile {
        std::size_t i0, i1, j0, j1;  // rows i0 … i1 against columns j0 … j1 of the result
    };
    [[nodiscard]] const Samples<T>& rows() const { return pairs_.rows(); }
    [[nodiscard]] const Samples<T>& cols() const { return pairs_.cols(); }
    [[nodiscard]] std::size_t first_panel(std::size_t strip) const { return symmetric_ ? strip * strip_ / kPanel : 0; }

    // One strip against one panel. State and results stay in this worker's buffers until the tile is complete.
    void tile(const Tile& t, Workspace<T>& space, int worker, Work& work) const {
        if (!rows().direct()) multiply(t, space);
        pairs_.prepare_layers(t.j0, space.rows);
        if (levels_ == Levels::last) {  // row by row through all layers: the state is one row, in the L1 cache
            for (std::size_t i = t.i0; i < t.i1; ++i) {
                if (work.stopped(worker)) return;
                const Row<T> row = start(t, i, 0, space);
                if (pairs_.uses_table()) {
                    pairs_.all_layers(row);
                } else if (pairs_.uses_smooth()) {
                    pairs_.smooth_layers(row);
                } else {
                    for (std::size_t m = 0; m + 1 < depth_; ++m) pairs_.layer(row, m, space.rows);
                }
                write(t, row, 0, depth_ - 1, space);
                copy_out(t, row, 0, space);  // on its way to memory while the next row is computed
            }
            return mirror(t, 0, space);
        }
        for (std::size_t i = t.i0; i < t.i1; ++i) start(t, i, i - t.i0, space);
        for (std::size_t level = 0; level < depth_; ++level) {
            for (std::size_t i = t.i0; i < t.i1; ++i) {
                if (work.stopped(worker)) return;
                const Row<T> row = pairs_.state(i, t.j0, t.j1, i - t.i0, space.rows);
                if (level > 0) pairs_.layer(row, level - 1, space.rows);
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
                        space.tiles.data() + (i - t.i0) * kStride + (j - t.j0)});
        }
    }

    Row<T> start(const Tile& t, std::size_t i, std::size_t slot, Workspace<T>& space) const {
        Row<T> row = pairs_.state(i, t.j0, t.j1, slot, space.rows);
        T* const tile = space.tiles.data() + (i - t.i0) * kStride;
        if (pairs_.uses_smooth()) {  // then Σ and Θ are the state, and may lie where they belong
            if (!out_.sigma.empty()) row.u = tile;
            if (!out_.theta.empty()) row.theta = out_.sigma.empty() ? tile : tile + strip_ * kStride;
        }
        pairs_.start(row, tile);
        return row;
    }

    // The kernels of depth `map` + 1, for the wanted level `level`, into the result tiles.
    void write(const Tile& t, const Row<T>& row, std::size_t level, std::size_t map, Workspace<T>& space) const {
        if (row.first >= row.last) return;
        T* to = space.tiles.data() + (row.i - t.i0) * kStride;
        const std::size_t next = strip_ * kStride;
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
    void put(const Row<T>& row, const Scale<T>& row_scale, const Scale<T>& col_scale, const T* state,
             void (*store)(const tile::StoreCall<T>&), T* to, State value) const {
        if (pairs_.uses_smooth()) return;  // it is there
        if (!wide_) {
            return store({row.first, row.last, state, row_scale.rounded[row.i], col_scale.rounded.data() + row.j0, to});
        }
        for (std::size_t j = row.first; j < row.last; ++j) {
            const Scaled scale = row_scale.exact[row.i] * col_scale.exact[row.j0 + j];
            to[j] = note(saturate<T>(static_cast<double>(value(j)) * scale));
        }
    }

    void put_dot(const Row<T>& row, std::size_t level, std::size_t map, T* to) const {
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
            tile += strip_ * kStride;
        }
    }

    void copy_out(const Tile& t, const Row<T>& row, std::size_t level, Workspace<T>& space) const {
        if (row.first >= row.last) return;
        each_kernel(level, space, [&](const MatrixView<IO>& view, const T* tile) {
            put_line(view, row.i, row.j0 + row.first, row.last - row.first,
                     tile + (row.i - t.i0) * kStride + row.first);
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
        // a cache line of each row at a time: source and target stay in the L1 cache
        for (std::size_t c0 = std::max(t.j0, t.i0); c0 < t.j1; c0 += tile::kLine<T>) {
            const std::size_t c1 = std::min(t.j1, c0 + tile::kLine<T>);
            const std::size_t rows_above = std::min(t.i1, c0) - t.i0;  // rows whose columns c0 … c1 are all above
            k_.transpose(rows_above, c1 - c0, tile + (c0 - t.j0), kStride, lines, static_cast<std::ptrdiff_t>(strip_));
            for (std::size_t c = c0; c < c1; ++c) {
                put_line(view, c, t.i0, rows_above, lines + (c - c0) * strip_);
                for (std::size_t i = t.i0 + rows_above; i < std::min(t.i1, c); ++i) {
                    view(c, i) = converted(tile[(i - t.i0) * kStride + (c - t.j0)]);
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

    std::size_t depth_;
    Levels levels_;
    const Outputs<IO>& out_;
    bool symmetric_;
    Pairs<T> pairs_;
    const tile::Kernels<T>& k_ = tile::kernels<T>();
    bool wide_ = false, past_cache_ = false;
    std::size_t strip_ = 0, strips_ = 0, panels_ = 0;
    std::vector<Workspace<T>> spaces_;
    mutable std::atomic<bool> clipped_{false};
};
template <class T, class IO>
Gram(const Network&, Levels, const Outputs<IO>&, int, Pairs<T>) -> Gram<T, IO>;

}  // namespace ntkcore
