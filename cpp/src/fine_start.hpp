// Angles of float samples from differences taken in double. A kernel that is steep near θ = 0, as those of deep
// networks are, shows the rounding errors of unit vectors in float, 5e-8 rad; and not those of a versine, which are
// relative.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>

#include "ntkcore/matrix_view.hpp"
#include "ntkcore/network.hpp"
#include "ntkcore/samples.hpp"
#include "tile/kernels.hpp"

namespace ntkcore {

class FineStart {
   public:
    // Of rows of x, and of z if there is one, with few features: versines up to `limit`.
    FineStart(const Network& network, MatrixView<const float> x, const MatrixView<const float>* z, float limit,
              int threads)
        : limit_(limit), rows_(first(network), {}, x, Levels::last, threads) {
        if (z != nullptr) cols_.emplace(first(network), Layers<double>{}, *z, Levels::last, threads, &rows_);
    }

    // Signed versines of row i and the columns begin … end of the panel that starts at column j0.
    void refine(std::size_t i, std::size_t j0, std::size_t begin, std::size_t end, float* u) const {
        const Samples<double>& cols = cols_ ? *cols_ : rows_;
        alignas(64) double fine[tile::kPanel];
        for (std::size_t j = begin; j < end; j += tile::kColumnStep) {
            float least = 2;
            for (std::size_t k = j; k < j + tile::kColumnStep; ++k) least = std::min(least, std::fabs(u[k]));
            if (!(least <= limit_)) continue;
            tile::kernels<double>().start_direct({rows_.panel(i / tile::kPanel), i % tile::kPanel,
                                                  cols.panel(j0 / tile::kPanel), rows_.features(), j,
                                                  j + tile::kColumnStep, fine, nullptr});
            for (std::size_t k = j; k < j + tile::kColumnStep; ++k) {
                if (std::fabs(u[k]) <= limit_) u[k] = static_cast<float>(fine[k]);
            }
        }
    }

   private:
    // The first affine map alone.
    [[nodiscard]] static Network first(const Network& network) {
        Network result;
        result.affine.push_back(network.affine.front());
        return result;
    }

    float limit_;
    Samples<double> rows_;
    std::optional<Samples<double>> cols_;
};

}  // namespace ntkcore
