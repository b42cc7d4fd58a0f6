// Any activation by its Hermite expansion. With the normalised Hermite polynomials h_k and a_k(q) = E[σ(√q z) h_k(z)],
//   E[σ(u)σ(v)] = Σ_k a_k(q) a_k(q') ρ^k   (Mehler),   √(qq') E[σ̇(u)σ̇(v)] = Σ_k k a_k(q) a_k(q') ρ^{k−1}   (Stein),
// so that σ is evaluated at O(10³) points per variance, and never per pair.
//
// The integrals are composite Gauss–Legendre sums over z > 0 (σ is split into its odd and even part). Panels end at the
// breakpoints of σ, and are refined until σ is a polynomial on each of them to the last digits.
//
// A kink makes the series converge slowly. If it is at 0, a lattice of degrees sums what follows the first few terms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "ntkcore/aligned.hpp"
#include "ntkcore/lattice.hpp"
#include "ntkcore/moments.hpp"
#include "ntkcore/scaled.hpp"

namespace ntkcore {

// y[i] = σ(x[i]) for n points; may be called from several threads.
using Function = std::function<void(const double* x, std::size_t n, double* y)>;

class SingleExpansions;

struct Expandable {
    Function function;
    std::vector<double> breakpoints;  // where σ is not smooth
    double rtol = 0.0;                // 0: 1e-10 in double, 1e-6 in float
    // Those at single variances: where all samples have the same, it soon is the same in every layer.
    std::shared_ptr<SingleExpansions> known = nullptr;
};
[[nodiscard]] std::shared_ptr<SingleExpansions> make_single_expansions();

// The degrees that occur: 1, 3, 5, …; 0, 2, 4, …; 0, 1, 2, ….
enum class Parity { odd, even, none };

// What the truncation costs at one variance, relative to E[σ²]; on a lattice likewise what that leaves out.
struct Truncation {
    double tail = 0.0;        // τ = Σ_{k≥K} a_k² / E[σ²], from above
    double slope_tail = 0.0;  // Σ_{k≥K} k a_k² / E[σ²], from above
    double chi = 0.0;         // χ = Σ_k k a_k² / E[σ²] = q E[σ̇²]/E[σ²]
    double curvature = 0.0;   // Σ_{k<K} k(k−1) a_k² / Σ_{k<K} a_k²
    double angle = 0.0;       // of arccos ρ̂, from above
    double kink = 0.0;        // the most that the part of |z| changes the slope, per change of θ
};

struct Expansion {
    static constexpr std::size_t kMaxDegree = 2000;

    Parity parity = Parity::none;
    std::size_t terms = 0;                // coefficients per variance
    bool capped = false;                  // the tolerance needs more of them
    Aligned<double> coefficients;         // term t at the distinct variance v at [v·terms + t]; Σ_t of the squares is 1
    std::vector<double> largest;          // of each term, the largest square
    std::vector<std::uint32_t> distinct;  // of every sample, the index of its variance among the distinct ones
    std::vector<Moments> moments;         // per distinct variance
    std::vector<Truncation> truncation;   // per distinct variance

    // If it is used: `terms` are those of SparseSeries, see tile/sparse_expanded.hpp.
    Lattice lattice;
    std::vector<double> bend;
    double bend_rest = 0.0;
};

// Coefficients at n variances: as few that both relative tails are below the tolerance at each of them, at least
// `min_terms` and at most `max_terms`; with a lattice, one that is nowhere coarser than that of
// `before`, the expansion of samples that these will be paired with.
// std::domain_error if σ is not finite, or grows too fast for a Gaussian.
[[nodiscard]] Expansion expand(const Expandable& what, const Scaled* q, std::size_t n, double tolerance,
                               std::size_t min_terms, std::size_t max_terms, int threads, const Expansion& before = {});

}  // namespace ntkcore
