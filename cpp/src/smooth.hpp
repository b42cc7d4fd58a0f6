// Networks of erf, gelu, sinusoid and rbf layers at moderate variances: their duals are analytic in ρ up to ±1, so that
// Σ and Θ themselves may be carried from layer to layer, with far fewer operations than 1 − |ρ| needs. See
// tile/smooth.hpp.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "ntkcore/aligned.hpp"
#include "ntkcore/network.hpp"
#include "ntkcore/samples.hpp"
#include "tile/kernels.hpp"

namespace ntkcore {

class SmoothLayers {
   public:
    // All layers are of these families.
    [[nodiscard]] static bool knows(const Network& network);
    // Of a network that it knows and samples with variances; none if one is too large or too small, or if rounding
    // errors grow too much.
    [[nodiscard]] static std::optional<SmoothLayers> make(const Network& network, const Samples<double>& rows,
                                                          const Samples<double>& cols, bool symmetric, int threads);

    // Row i against the columns begin … end of the panel that starts at column j0: Σ¹ in sigma and, unless null, in
    // theta; false if the features are too many, and `run` wants signed versines instead.
    [[nodiscard]] bool start(const Samples<double>& rows, const Samples<double>& cols, std::size_t i, std::size_t j0,
                             std::size_t begin, std::size_t end, double* sigma, double* theta) const;
    // From Σ¹, or signed versines in u, to Σ there and Θ in theta (null: not wanted).
    void run(std::size_t i, std::size_t j0, std::size_t begin, std::size_t end, double* u, double* theta) const;

   private:
    static constexpr std::size_t kTables = 3;

    // Of rows or of columns: numbers per sample, table t of step m at [(m·kTables + t)·stride], and the most per panel.
    struct Side {
        std::size_t stride = 0;
        Aligned<double> tables;
        std::vector<double> most;  // of step m and panel p at [m·panels + p]
        std::size_t panels = 0;
    };
    [[nodiscard]] static bool tabulate(const Network& network, const Samples<double>& samples, Side& side, int threads);
    [[nodiscard]] static bool panel_of(const Activation& activation, const Samples<double>& samples, std::size_t m,
                                       std::size_t panel, Side& side);

    std::vector<tile::SmoothCall> steps_;  // the start, then the hidden layers
    Side rows_, cols_;
    bool symmetric_ = true, direct_ = false;
};

}  // namespace ntkcore
