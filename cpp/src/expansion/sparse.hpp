// Expansions of functions that are smooth but at 0, on a lattice of degrees.
//
// The coefficients of degree 2d, and of degree 2d + 1, are (−1)^d times a slowly varying function of d: their products
// for two variances vary slowly, and a lattice sums them. By quadrature come those below the degree 2000. From there on
//   a_k = √(k-th coefficient of |z|, of z|z|) · (a polynomial in 1/k),
// each jump of a derivative of σ at 0 giving one of its powers; the polynomial goes through the last known
// coefficients.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <vector>

#include "expansion/expander.hpp"
#include "ntkcore/lattice.hpp"

namespace ntkcore {

class SparseSeries {
   public:
    static constexpr std::size_t kKnown = 1000;

    // Coefficients of d < `known` ≤ kKnown are integrals.
    SparseSeries(Lattice lattice, Parity parity, std::size_t known = kKnown);

    [[nodiscard]] const Lattice& lattice() const { return lattice_; }
    // Numbers per variance: of each node its coefficient (even and odd degree) times √weight; γ, the part of |z|; of
    // each level but the first Σ a_k² from there on.
    [[nodiscard]] std::size_t terms() const { return terms(lattice_, parts_); }
    [[nodiscard]] static std::size_t terms(const Lattice& lattice, std::size_t parts) {
        return parts * lattice.node.size() + lattice.start.size();
    }
    [[nodiscard]] std::size_t gamma() const { return parts_ * lattice_.node.size(); }
    // How many nodes are known, the first ones.
    [[nodiscard]] std::size_t known() const { return known_; }
    [[nodiscard]] double degree(std::size_t term) const { return degree_[term]; }
    // From the known coefficients; and the sums over levels, when they have been scaled.
    void complete(const double* known, double* all) const;
    void sum_levels(double* all) const;
    // u_m = weight_m E[|z| h_k(z)]², and what they leave of Σ u = 1 and of Σ k u = 1.
    [[nodiscard]] const std::vector<double>& bend() const { return bend_; }
    // √u of a term, with the sign of E[|z| h_k(z)]
    [[nodiscard]] double root_bend(std::size_t term) const { return root_bend_[term]; }
    [[nodiscard]] double rest() const { return rest_; }
    [[nodiscard]] double slope_rest() const { return slope_rest_; }
    // Σ_k a_k² of completed coefficients; and by how much it and Σ_k k a_k² differ from the integrals, the odd and the
    // even degrees each.
    [[nodiscard]] double square(const double* all) const;
    struct Gap {
        double square, slope;
    };
    [[nodiscard]] Gap gap(const double* all, const Sums& sums) const;
    // What rounding errors of the coefficients, of size 1, can make of the latter.
    [[nodiscard]] double slope_noise(const double* all) const;

   private:
    static constexpr std::size_t kFit = 6;

    Lattice lattice_;
    Parity parity_;
    std::size_t parts_, known_ = 0;
    std::array<std::size_t, kFit> fit_{};  // nodes
    std::vector<double> far_;              // nodes beyond the known ones × parts × kFit
    std::array<double, kFit> limit_{};     // of γ
    std::vector<double> root_;             // √weight
    std::vector<double> degree_, root_bend_;
    std::vector<double> bend_;
    double rest_ = 0.0, slope_rest_ = 0.0;
};

// A lattice for all variances of the expander, of more than `least` and at most `most` terms; or at least as fine as
// `at_least`. The errors are those of Σ a_k a_k' ρ^k and its derivative, relative to √(E[σ²] E[σ'²]) and
// √(qE[σ̇²] q'E[σ̇'²]), over all ρ and over pairs of a few variances. None if the first `most` terms do as well.
struct SparseChoice {
    Lattice lattice;
    std::size_t known = SparseSeries::kKnown;
    double value = 0.0, slope = 0.0;
};
[[nodiscard]] std::optional<SparseChoice> choose_lattice(const Expander& expander, std::size_t variances,
                                                         double tolerance, std::size_t least, std::size_t most,
                                                         const Lattice& at_least, int threads);

}  // namespace ntkcore
