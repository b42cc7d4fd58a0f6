// Networks of erf, gelu, sinusoid and rbf layers at moderate variances: their duals are analytic in ρ up to ±1, so that
// Σ and Θ themselves may be carried from layer to layer, with far fewer operations than 1 − |ρ| needs. See
// tile/smooth.hpp. In float the errors of rounded tables are taken off at the end.
#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <type_traits>
#include <vector>

#include "lengths.hpp"
#include "ntkcore/aligned.hpp"
#include "ntkcore/matrix_view.hpp"
#include "ntkcore/network.hpp"
#include "ntkcore/samples.hpp"
#include "tile/kernels.hpp"

namespace ntkcore {

// All layers are of these families.
[[nodiscard]] bool smooth_network(const Network& network);

template <class T>
class SmoothLayers {
   public:
    // Of a network that it knows and samples with variances; none if one is too large or too small, or if rounding
    // errors grow too much.
    [[nodiscard]] static std::optional<SmoothLayers> make(const Network& network, const Samples<T>& rows,
                                                          const Samples<T>& cols, bool symmetric, int threads);

    // Row i against the columns begin … end of the panel that starts at column j0: Σ¹ in sigma and, unless null, in
    // theta; false if the features are too many, and `run` wants signed versines instead.
    [[nodiscard]] bool start(const Samples<T>& rows, const Samples<T>& cols, std::size_t i, std::size_t j0,
                             std::size_t begin, std::size_t end, T* sigma, T* theta) const;
    // From Σ¹, or signed versines in u, to Σ there and Θ in theta (null: not wanted).
    void run(std::size_t i, std::size_t j0, std::size_t begin, std::size_t end, T* u, T* theta) const;

   private:
    static constexpr std::size_t kTables = 3;

    // Of rows or of columns: numbers per sample, table t of step m at [(m·kTables + t)·stride], and the most per panel.
    struct Side {
        std::size_t stride = 0;
        Aligned<T> tables;
        std::vector<T> most;  // of step m and panel p at [m·panels + p]
        std::size_t panels = 0;
    };
    [[nodiscard]] static bool tabulate(const Network& network, const Samples<T>& samples, Side& side, int threads);
    [[nodiscard]] static bool panel_of(const Activation& activation, const Samples<T>& samples, std::size_t m,
                                       std::size_t panel, Side& side);
    // The tables of the last step: what a sample's duplicates lack of the diagonal because tables and constants are
    // rounded, half of it. It is the mean over copies a little apart, that their own rounding errors cancel.
    void compare(const Samples<T>& samples, Side& side, int threads) const;

    std::vector<tile::SmoothCall<T>> steps_;  // the start, the hidden layers, and in float the finish
    Side rows_, cols_;
    bool symmetric_ = true, direct_ = false;
};

// False if smooth layers are sure to refuse the rows of x. They want samples without tables, which are then made in
// vain: in float, whose limits are narrow, the longest and the shortest of many are tried first.
template <class T, class IO>
[[nodiscard]] bool may_be_smooth(const Network& network, const Layers<T>& layers, MatrixView<const IO> x) {
    if (std::is_same_v<T, double> || x.rows < 128) return true;
    std::size_t longest = 0, shortest = 0;
    double most = 0.0, least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < x.rows; ++i) {
        const double sum = square_sum(x, i);
        if (sum > most) most = sum, longest = i;
        if (sum < least) least = sum, shortest = i;
    }
    const auto apart = static_cast<std::ptrdiff_t>(shortest) - static_cast<std::ptrdiff_t>(longest);
    const MatrixView<const IO> two{&x(longest, 0), 2, x.cols, apart * x.row_stride, x.col_stride};
    const Samples<T> samples(network, layers, two, Levels::last, 1, nullptr, Tables::none);
    return !samples.wide_range() && SmoothLayers<T>::make(network, samples, samples, true, 1).has_value();
}

}  // namespace ntkcore
