#include "ntkcore/expansion.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

#include "legendre.hpp"
#include "ntkcore/aligned.hpp"
#include "ntkcore/blas.hpp"
#include "ntkcore/parallel.hpp"
#include "tile/kernels.hpp"

namespace ntkcore {
namespace {

constexpr std::size_t kNodes = Legendre::kNodes;
constexpr std::size_t kBlock = 256;  // variances evaluated together
constexpr double kEps = std::numeric_limits<double>::epsilon();
constexpr double kSmallest = 1e-280;  // √q below it counts as this
constexpr double kResolved = 4e-15;   // the size of the last Legendre coefficients, relative to σ on the panel
constexpr double kAccepted =
    1e-13;  // the same, relative to √E[σ²] and weighted with the density: else a panel set of its own
constexpr std::size_t kMostPanels = 2000;

// σ at ±x, split: odd[i] = ½(σ(x) − σ(−x)), even[i] = ½(σ(x) + σ(−x)). A part that vanishes is not written.
struct Split {
    std::vector<double> odd, even, points, values;
};

struct Sigma {
    const Function& function;
    Parity parity;

    [[nodiscard]] bool odd() const { return parity != Parity::even; }
    [[nodiscard]] bool even() const { return parity != Parity::odd; }

    // σ at space.points[0 … n), all of them positive.
    void operator()(std::size_t n, Split& space) const {
        space.points.resize(parity == Parity::none ? 2 * n : n);
        space.values.resize(space.points.size());
        if (parity != Parity::none) {
            function(space.points.data(), n, space.values.data());
            (odd() ? space.odd : space.even).assign(space.values.begin(), space.values.end());
            return;
        }
        for (std::size_t i = 0; i < n; ++i) space.points[n + i] = -space.points[i];
        function(space.points.data(), 2 * n, space.values.data());
        space.odd.resize(n);
        space.even.resize(n);
        for (std::size_t i = 0; i < n; ++i) {
            space.odd[i] = 0.5 * space.values[i] - 0.5 * space.values[n + i];
            space.even[i] = 0.5 * space.values[i] + 0.5 * space.values[n + i];
        }
    }
};

// Odd, even or neither, from values over many scales.
Parity parity_of(const Function& function, double reach) {
    std::vector<double> x;
    for (double t = 1.0; t > 1e-4; t *= 0.83) x.push_back(t * reach);
    for (int k = 1; k < 64; ++k) x.push_back(0.11 * k);
    const std::size_t n = x.size();
    for (std::size_t i = 0; i < n; ++i) x.push_back(-x[i]);
    std::vector<double> y(2 * n);
    function(x.data(), 2 * n, y.data());
    bool odd = true;
    bool even = true;
    for (std::size_t i = 0; i < n; ++i) {
        if (!std::isfinite(y[i]) || !std::isfinite(y[n + i])) continue;
        const double size = 4 * kEps * std::max(std::fabs(y[i]), std::fabs(y[n + i]));
        odd = odd && std::fabs(y[i] + y[n + i]) <= size;
        even = even && std::fabs(y[i] - y[n + i]) <= size;
    }
    if (even) return Parity::even;
    return odd ? Parity::odd : Parity::none;
}

// The R beyond which σ(√q z) e^{−z²/4} is below the rounding of its norm.
double radius(const Function& function, double root) {
    constexpr std::size_t kCount = 521;
    constexpr double kStep = 0.1;
    std::vector<double> x(2 * kCount);
    std::vector<double> y(2 * kCount);
    for (std::size_t i = 0; i < kCount; ++i) {
        x[i] = root * kStep * static_cast<double>(i);
        x[kCount + i] = -x[i];
    }
    function(x.data(), x.size(), y.data());
    double norm = 0.0;
    double log_size[kCount];
    double most = -std::numeric_limits<double>::infinity();
    std::size_t known = kCount;
    for (std::size_t i = 0; i < kCount; ++i) {
        const double z = kStep * static_cast<double>(i);
        const double size = std::fmax(std::fabs(y[i]), std::fabs(y[kCount + i]));
        if (!std::isfinite(y[i]) || !std::isfinite(y[kCount + i])) {
            known = i;
            break;
        }
        log_size[i] = std::log(std::fmax(size, 1e-300)) - z * z / 4;
        most = std::fmax(most, log_size[i]);
    }
    for (std::size_t i = 0; i < known; ++i) norm += kStep * std::exp(2 * (log_size[i] - most));
    const double limit = std::log(1e-18) + most + 0.5 * std::log(norm > 0 ? norm : 1.0);
    std::size_t last = known;
    while (last > 0 && log_size[last - 1] <= limit) --last;
    if (last == known) {
        throw std::domain_error(
            "the activation is not finite, or grows too fast for E[σ(u)²] to exist, at a variance of " +
            std::to_string(root * root));
    }
    return std::fmax(8.0, kStep * static_cast<double>(last + 1));
}

// Edges 0 = e_0 < e_1 < … = R of panels in z, on each of which σ(s·root·z) is a polynomial of degree 31 for the
// shrinkings s given: all that are needed for the variances of a class.
std::vector<double> make_panels(const Sigma& sigma, double root, double reach, const std::vector<double>& shrink,
                                const std::vector<double>& breakpoints) {
    const Legendre& rule = Legendre::rule();
    std::vector<double> edges = {0.0, reach};
    for (const double b : breakpoints) {
        const double edge = std::fabs(b) / root;
        if (edge > 0 && edge < reach) edges.push_back(edge);
    }
    // Where √q is large all that happens near x = 0 could fall between two nodes.
    for (double x = 1.0; x < root * reach; x *= 4.0) edges.push_back(x / root);
    std::sort(edges.begin(), edges.end());
    edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
    std::vector<std::pair<double, double>> open;
    std::vector<double> done = {0.0};
    for (std::size_t i = 0; i + 1 < edges.size(); ++i) open.emplace_back(edges[i], edges[i + 1]);
    Split space;
    double scale = 0.0;  // the typical size of σ
    {
        space.points.clear();
        for (int i = 0; i < 101; ++i) space.points.push_back(root * 0.03 * i);
        sigma(101, space);
        for (const auto* part : {&space.odd, &space.even}) {
            for (const double y : *part) scale += y * y / 101;
        }
        scale = std::sqrt(scale);
    }
    while (!open.empty()) {
        space.points.clear();
        for (const auto& [a, b] : open) {
            for (const double s : shrink) {
                for (const double t : rule.node) space.points.push_back(s * root * (0.5 * (a + b) + 0.5 * (b - a) * t));
            }
        }
        sigma(space.points.size(), space);
        std::vector<std::pair<double, double>> next;
        for (std::size_t p = 0; p < open.size(); ++p) {
            const auto [a, b] = open[p];
            bool fine = true;
            for (std::size_t k = 0; fine && k < shrink.size(); ++k) {
                for (const auto* part : {&space.odd, &space.even}) {
                    if (part->empty()) continue;
                    const double* y = part->data() + (p * shrink.size() + k) * kNodes;
                    double most = scale;
                    for (std::size_t i = 0; i < kNodes; ++i) most = std::fmax(most, std::fabs(y[i]));
                    for (std::size_t row = kNodes; row < kNodes + Legendre::kTop; ++row) {
                        double c = 0.0;
                        for (std::size_t i = 0; i < kNodes; ++i) c += rule.matrix[row][i] * y[i];
                        fine = fine && std::fabs(c) <= kResolved * most;
                    }
                }
            }
            if (fine || b - a < 1e-9 * std::fmax(1e-3, a) || done.size() + next.size() > kMostPanels) {
                done.push_back(b);
            } else {
                const double middle = 0.5 * (a + b);
                next.emplace_back(a, middle);
                next.emplace_back(middle, b);
            }
        }
        open = std::move(next);
    }
    std::sort(done.begin(), done.end());
    return done;
}

// Nodes z > 0 and weights for degrees below `degrees`, of panels that end at the given edges.
struct Rule {
    std::vector<double> z;       // 32 a panel
    std::vector<double> weight;  // 2 e^{−z²/4}/√(2π) dz: E[f] = Σ weight·e^{−z²/4}·(even part of f)
    std::vector<double> gauss;   // e^{−z²/4}
    std::vector<double> half;    // half the width of each panel

    Rule(const std::vector<double>& edges, std::size_t degrees) {
        const Legendre& legendre = Legendre::rule();
        const double widest = std::fmin(2.0, 26.0 / std::sqrt(static_cast<double>(degrees) + 1.0));
        for (std::size_t i = 0; i + 1 < edges.size(); ++i) {
            const double width = edges[i + 1] - edges[i];
            const auto parts = static_cast<std::size_t>(std::fmax(1.0, std::ceil(width / widest)));
            const double h = 0.5 * width / static_cast<double>(parts);
            for (std::size_t part = 0; part < parts; ++part) {
                half.push_back(h);
                const double centre = edges[i] + h * static_cast<double>(2 * part + 1);
                for (std::size_t k = 0; k < kNodes; ++k) {
                    const double at = centre + h * legendre.node[k];
                    const double g = std::exp(-at * at / 4);
                    z.push_back(at);
                    gauss.push_back(g);
                    weight.push_back(h * legendre.weight[k] * g * 0.79788456080286535588);
                }
            }
        }
    }
    [[nodiscard]] std::size_t nodes() const { return z.size(); }
};

// The sums over the nodes for one variance, with σ scaled by 2^{−exponent}.
struct Sums {
    int exponent = 0;
    double square = 0.0;      // E[σ²]
    double slope = 0.0;       // E[(d/dz σ(√q z))²] = q E[σ̇²]
    double unresolved = 0.0;  // size of what the panels do not see
    bool constant = false;    // σ has the same value at all nodes
};

constexpr std::size_t kRows = kNodes + Legendre::kTop;

// Of a part (odd or even) of σ at the nodes of a rule, for m variances: y is m × nodes. Adds to the sums.
void add_part(const Rule& rule, std::size_t m, double* y, Sums* sums, std::vector<double>& work) {
    const Legendre& legendre = Legendre::rule();
    const std::size_t n = rule.nodes();
    work.resize(m * kRows);
    for (std::size_t p = 0; p < rule.half.size(); ++p) {
        gemm_nt(m, kRows, kNodes, y + p * kNodes, n, &legendre.matrix[0][0], kNodes, work.data(), kRows);
        const double* weight = rule.weight.data() + p * kNodes;
        const double* gauss = rule.gauss.data() + p * kNodes;
        const double h = rule.half[p];
        for (std::size_t i = 0; i < m; ++i) {
            const double* d = work.data() + i * kRows;
            const double* v = y + i * n + p * kNodes;
            double square = 0.0;
            double slope = 0.0;
            for (std::size_t k = 0; k < kNodes; ++k) {
                const double c = weight[k] * gauss[k];
                square += c * (v[k] * v[k]);
                slope += c * (d[k] * d[k]);
            }
            double top = 0.0;
            for (std::size_t k = kNodes; k < kRows; ++k) top = std::fmax(top, std::fabs(d[k]));
            sums[i].square += square;
            sums[i].slope += slope / (h * h);
            sums[i].unresolved = std::fmax(sums[i].unresolved, top * std::sqrt(h) * gauss[0]);
        }
    }
    for (std::size_t i = 0; i < m; ++i) {
        double* v = y + i * n;
        for (std::size_t k = 0; k < n; ++k) v[k] *= rule.weight[k];
    }
}

// σ has the same value at all n nodes of variance i.
bool constant(std::size_t n, std::size_t i, const Split& space) {
    const auto first = [&](const std::vector<double>& part) {
        return part.begin() + static_cast<std::ptrdiff_t>(i * n);
    };
    const auto all = [&](const std::vector<double>& part, double value) {
        return std::all_of(first(part), first(part) + static_cast<std::ptrdiff_t>(n),
                           [=](double y) { return y == value; });
    };
    return (space.odd.empty() || all(space.odd, 0.0)) && (space.even.empty() || all(space.even, *first(space.even)));
}

// One exponent for both parts of each variance.
void scale(std::size_t m, std::size_t n, Split& space, Sums* sums) {
    for (std::size_t i = 0; i < m; ++i) {
        double most = 0.0;
        for (auto* part : {&space.odd, &space.even}) {
            if (part->empty()) continue;
            const double* v = part->data() + i * n;
            for (std::size_t k = 0; k < n; ++k) most = std::fmax(most, std::fabs(v[k]));
        }
        if (!(most <= std::numeric_limits<double>::max())) throw std::domain_error("the activation is not finite");
        sums[i] = Sums();
        sums[i].constant = constant(n, i, space);
        std::frexp(most, &sums[i].exponent);
        if (std::abs(sums[i].exponent) < 200) {
            sums[i].exponent = 0;
            continue;
        }
        for (auto* part : {&space.odd, &space.even}) {
            if (part->empty()) continue;
            double* v = part->data() + i * n;
            for (std::size_t k = 0; k < n; ++k) v[k] = std::ldexp(v[k], -sums[i].exponent);
        }
    }
}

// Terms of the parity (or of one of both) below `terms` in all: degree = first + step·t.
std::size_t degrees_of(Parity parity, std::size_t terms) { return parity == Parity::none ? terms : 2 * terms; }
std::size_t degree_of(Parity parity, std::size_t term) {
    if (parity == Parity::none) return term;
    return 2 * term + (parity == Parity::odd ? 1 : 0);
}

// f(k, ψ_k(z)·) for all degrees k < degrees: ψ_k = h_k e^{−z²/4}, in one array over the nodes.
template <class F>
void hermite(const Rule& rule, std::size_t degrees, F f) {
    const std::size_t n = rule.nodes();
    std::vector<double> before(n, 0.0);
    std::vector<double> now(rule.gauss);
    for (std::size_t k = 0; k < degrees; ++k) {
        f(k, now.data());
        const double up = 1.0 / std::sqrt(static_cast<double>(k + 1));
        const double back = std::sqrt(static_cast<double>(k)) * up;
        for (std::size_t i = 0; i < n; ++i) before[i] = (rule.z[i] * now[i]) * up - before[i] * back;
        std::swap(before, now);
    }
}

// Factors of the three-term recurrence ψ_{k+1} = up_k z ψ_k − back_k ψ_{k−1}.
struct Recurrence {
    double up[tile::kHermiteDegrees], back[tile::kHermiteDegrees];
    Recurrence() {
        for (std::size_t k = 0; k < tile::kHermiteDegrees; ++k) {
            up[k] = 1.0 / std::sqrt(static_cast<double>(k + 1));
            back[k] = std::sqrt(static_cast<double>(k)) * up[k];
        }
    }
    [[nodiscard]] static const Recurrence& factors() {
        static const Recurrence made;
        return made;
    }
};

// The coefficients of one variance by the recurrence alone; odd and even already weighted.
void project(const Rule& rule, Parity parity, std::size_t terms, const double* odd, const double* even, double* a) {
    const Recurrence& factors = Recurrence::factors();
    const std::size_t degrees = degrees_of(parity, terms);
    std::vector<double> all(degrees);
    tile::kernels<double>().hermite(
        {rule.nodes(), degrees, rule.z.data(), rule.gauss.data(), odd, even, factors.up, factors.back, all.data()});
    for (std::size_t t = 0; t < terms; ++t) a[t] = all[degree_of(parity, t)];
}

// Variances within a factor of two, in order; the same nodes serve them if σ has no breakpoint but 0.
struct Class {
    std::size_t first, last;
    double low, high;  // √q
    double reach = 0.0;
    std::vector<double> edges;
};

class Expander {
   public:
    Expander(const Expandable& what, std::vector<double> roots, int threads)
        : what_(what),
          roots_(std::move(roots)),
          threads_(threads),
          sigma_{what.function, parity_of(what.function, 8.0 * roots_.back())} {
        shared_ = std::all_of(what.breakpoints.begin(), what.breakpoints.end(), [](double b) { return b == 0.0; });
        for (std::size_t i = 0; i < roots_.size(); ++i) {
            if (classes_.empty() || roots_[i] > 1.4142135 * classes_.back().low) {
                classes_.push_back({i, i, roots_[i], roots_[i], 0.0, {}});
            }
            classes_.back().last = i + 1;
            classes_.back().high = roots_[i];
        }
        for (Class& c : classes_) {
            c.reach = radius(what.function, c.high);
            if (c.low < c.high) c.reach = std::fmax(c.reach, radius(what.function, c.low));
            std::vector<double> shrink = {1.0};
            if (shared_ && c.low < c.high) {
                for (int k = 1; k <= 4; ++k) shrink.push_back(std::pow(c.low / c.high, 0.25 * k));
            }
            c.edges =
                make_panels(sigma_, c.high, shared_ ? c.reach : c.reach * c.high / c.low, shrink, what.breakpoints);
        }
    }

    [[nodiscard]] Parity parity() const { return sigma_.parity; }

    // The terms that one variance needs, at most `most`.
    [[nodiscard]] std::size_t probe(std::size_t i, double tolerance, std::size_t most) const {
        std::vector<double> a;
        for (std::size_t terms = std::min<std::size_t>(48, most);; terms = std::min(2 * terms, most)) {
            Sums sums;
            a.assign(terms, 0.0);
            alone(i, 1, terms, &sums, a.data());
            const std::size_t need = needed(sums, a.data(), terms, tolerance);
            if (need <= terms) return need;
            if (terms == most) return most + 1;
        }
    }

    // sums[i] and coefficients[i·terms …] of all variances
    void run(std::size_t terms, std::vector<Sums>& sums, std::vector<double>& coefficients) const {
        sums.resize(roots_.size());
        coefficients.assign(roots_.size() * terms, 0.0);
        struct Piece {
            const Class* of;
            std::size_t first, count, matrix;
        };
        std::vector<Piece> pieces;
        std::vector<Shared> matrices;
        for (const Class& c : classes_) {
            const bool together = shared_ && c.last - c.first >= 4;
            if (together) matrices.emplace_back(c.edges, sigma_.parity, terms);
            const std::size_t step = together ? kBlock : 32;
            for (std::size_t i = c.first; i < c.last; i += step) {
                pieces.push_back({&c, i, std::min(step, c.last - i), together ? matrices.size() : 0});
            }
        }
        parallel_for(pieces.size(), threads_, [&](std::size_t p, int, Work&) {
            const Piece& piece = pieces[p];
            Sums* s = sums.data() + piece.first;
            double* a = coefficients.data() + piece.first * terms;
            if (piece.matrix == 0) return alone(piece.first, piece.count, terms, s, a);
            together(matrices[piece.matrix - 1], piece.first, piece.count, terms, s, a);
            for (std::size_t i = 0; i < piece.count; ++i) {
                if (s[i].unresolved > kAccepted * std::sqrt(s[i].square))
                    alone(piece.first + i, 1, terms, s + i, a + i * terms);
            }
        });
    }

    // The least K in terms with both relative tails below the tolerance; terms + 1 if there is none.
    [[nodiscard]] static std::size_t needed(Parity parity, const Sums& sums, const double* a, std::size_t terms,
                                            double tolerance) {
        if (!(sums.square > 0)) return 1;
        double tail = 0.0;
        double slope_tail = 0.0;
        rest(parity, sums, a, terms, tail, slope_tail);
        std::size_t t = terms;
        if (tail > tolerance * sums.square || slope_tail > tolerance * sums.slope) return terms + 1;
        while (t > 1) {
            const double square = a[t - 1] * a[t - 1];
            tail += square;
            slope_tail += static_cast<double>(degree_of(parity, t - 1)) * square;
            if (tail > tolerance * sums.square || slope_tail > tolerance * sums.slope) break;
            --t;
        }
        return t;
    }
    [[nodiscard]] std::size_t needed(const Sums& sums, const double* a, std::size_t terms, double tolerance) const {
        return needed(sigma_.parity, sums, a, terms, tolerance);
    }

    // What the terms leave of the sums, from above: rounding and quadrature errors included.
    // Each coefficient is rounded by ε√E[σ²], and all of them count in the slope.
    static void rest(Parity parity, const Sums& sums, const double* a, std::size_t terms, double& tail,
                     double& slope_tail) {
        double square = 0.0;
        double slope = 0.0;
        for (std::size_t t = terms; t-- > 0;) {
            square += a[t] * a[t];
            slope += static_cast<double>(degree_of(parity, t)) * (a[t] * a[t]);
        }
        const double doubt = std::sqrt(sums.square) * sums.unresolved;
        const double rounding =
            kEps * static_cast<double>(degree_of(parity, terms)) * std::sqrt(sums.square * sums.slope);
        tail = std::fmax(0.0, sums.square - square) + 8 * kEps * sums.square + 4 * doubt;
        slope_tail = std::fmax(0.0, sums.slope - slope) + 64 * kEps * sums.slope + rounding +
                     4 * doubt * std::sqrt(sums.slope / std::fmax(sums.square, 1e-300));
    }

   private:
    // Hermite functions at the nodes of a class, terms × nodes.
    struct Shared {
        Rule rule;
        std::vector<double> odd, even;
        std::size_t odd_terms = 0, even_terms = 0;
        Shared(const std::vector<double>& edges, Parity parity, std::size_t terms)
            : rule(edges, degrees_of(parity, terms)) {
            const std::size_t n = rule.nodes();
            odd_terms = parity == Parity::odd ? terms : parity == Parity::even ? 0 : terms / 2;
            even_terms = terms - odd_terms;
            odd.resize(odd_terms * n);
            even.resize(even_terms * n);
            hermite(rule, degrees_of(parity, terms), [&](std::size_t k, const double* psi) {
                if (k % 2 == 1 && k / 2 < odd_terms) std::copy_n(psi, n, odd.data() + k / 2 * n);
                if (k % 2 == 0 && k / 2 < even_terms) std::copy_n(psi, n, even.data() + k / 2 * n);
            });
        }
    };

    void together(const Shared& matrix, std::size_t first, std::size_t m, std::size_t terms, Sums* sums,
                  double* a) const {
        const std::size_t n = matrix.rule.nodes();
        Split space;
        std::vector<double> work;
        space.points.resize(m * n);
        for (std::size_t i = 0; i < m; ++i) {
            for (std::size_t k = 0; k < n; ++k) space.points[i * n + k] = roots_[first + i] * matrix.rule.z[k];
        }
        sigma_(m * n, space);
        scale(m, n, space, sums);
        const auto part = [&](std::vector<double>& y, const std::vector<double>& psi, std::size_t count,
                              std::size_t offset) {
            add_part(matrix.rule, m, y.data(), sums, work);
            if (sigma_.parity != Parity::none) {
                gemm_nt(m, count, n, y.data(), n, psi.data(), n, a, terms);
                return;
            }
            work.resize(m * count);
            gemm_nt(m, count, n, y.data(), n, psi.data(), n, work.data(), count);
            for (std::size_t i = 0; i < m; ++i) {
                for (std::size_t t = 0; t < count; ++t) a[i * terms + 2 * t + offset] = work[i * count + t];
            }
        };
        if (sigma_.odd() && matrix.odd_terms > 0) part(space.odd, matrix.odd, matrix.odd_terms, 1);
        if (sigma_.even() && matrix.even_terms > 0) part(space.even, matrix.even, matrix.even_terms, 0);
    }

    // Variances with nodes of their own.
    void alone(std::size_t first, std::size_t m, std::size_t terms, Sums* sums, double* a) const {
        std::vector<Rule> rules;
        Split space;
        std::vector<double> work;
        for (std::size_t i = first; i < first + m; ++i) {
            const auto of = std::find_if(classes_.begin(), classes_.end(), [i](const Class& c) { return i < c.last; });
            std::vector<double> edges;
            if (m > 1 || !shared_) {
                const double ratio = of->high / roots_[i];
                for (const double e : of->edges) {
                    if (e * ratio < of->reach) edges.push_back(e * ratio);
                }
                edges.push_back(of->reach);
            } else {
                edges = make_panels(sigma_, roots_[i], of->reach, {1.0}, what_.breakpoints);
            }
            rules.emplace_back(edges, degrees_of(sigma_.parity, terms));
            for (const double z : rules.back().z) space.points.push_back(roots_[i] * z);
        }
        sigma_(space.points.size(), space);
        std::size_t at = 0;
        Split one;
        for (std::size_t i = 0; i < m; ++i) {
            const Rule& rule = rules[i];
            const std::size_t n = rule.nodes();
            const auto cut = [&](const std::vector<double>& all, std::vector<double>& part) {
                if (!all.empty())
                    part.assign(all.begin() + static_cast<std::ptrdiff_t>(at),
                                all.begin() + static_cast<std::ptrdiff_t>(at + n));
            };
            cut(space.odd, one.odd);
            cut(space.even, one.even);
            at += n;
            scale(1, n, one, sums + i);
            if (!one.odd.empty()) add_part(rule, 1, one.odd.data(), sums + i, work);
            if (!one.even.empty()) add_part(rule, 1, one.even.data(), sums + i, work);
            project(rule, sigma_.parity, terms, one.odd.empty() ? nullptr : one.odd.data(),
                    one.even.empty() ? nullptr : one.even.data(), a + i * terms);
        }
    }

    const Expandable& what_;
    std::vector<double> roots_;  // √q, increasing
    int threads_;
    Sigma sigma_;
    bool shared_ = false;
    std::vector<Class> classes_;
};

// σ and its one-sided slopes at 0, for samples without variance.
Moments at_zero(const Expandable& what) {
    double width = 0.25;
    for (const double b : what.breakpoints) {
        if (b != 0.0) width = std::fmin(width, std::fabs(b));
    }
    const Legendre& rule = Legendre::rule();
    double x[2 * kNodes + 1] = {};
    double y[2 * kNodes + 1] = {};
    for (std::size_t i = 0; i < kNodes; ++i) {
        x[i] = 0.5 * width * (1.0 + rule.node[i]);
        x[kNodes + i] = -x[i];
    }
    what.function(x, 2 * kNodes + 1, y);
    double slope[2];
    for (std::size_t side = 0; side < 2; ++side) {
        // Σ_j σ(x_j) L_j'(−1), by the barycentric formula; the sum of the L_j' is 0
        double sum = 0.0;
        for (std::size_t j = 0; j < kNodes; ++j) {
            double derivative = 0.0;  // L_j'(−1) = L_j(−1) Σ_{i≠j} 1/(−1 − t_i)
            double value = 1.0;
            for (std::size_t i = 0; i < kNodes; ++i) {
                if (i == j) continue;
                value *= (-1.0 - rule.node[i]) / (rule.node[j] - rule.node[i]);
                derivative += 1.0 / (-1.0 - rule.node[i]);
            }
            sum += value * derivative * (y[side * kNodes + j] - y[2 * kNodes]);
        }
        slope[side] = sum * 2.0 / width * (side == 0 ? 1.0 : -1.0);
    }
    Moments moments;
    moments.square = square(y[2 * kNodes]);
    moments.slope_square = 0.5 * (square(slope[0]) + square(slope[1]));
    moments.mean_slope = 0.5 * (slope[0] + slope[1]);
    return moments;
}

}  // namespace

Expansion expand(const Expandable& what, const Scaled* q, std::size_t n, double tolerance, std::size_t min_terms,
                 std::size_t max_terms, int threads) {
    Expansion result;
    result.distinct.resize(n);
    if (n == 0) return result;

    // the distinct variances, increasing
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::vector<double> root(n);
    for (std::size_t i = 0; i < n; ++i) {
        root[i] = q[i].zero() ? 0.0 : std::fmax(kSmallest, std::fmin(sqrt(q[i]).value(), 1 / kSmallest));
    }
    std::sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return root[i] < root[j]; });
    std::vector<double> roots;
    std::vector<Scaled> variances;
    bool any_zero = false;
    for (const std::size_t i : order) {
        if (root[i] == 0.0) {
            any_zero = true;
            continue;
        }
        if (roots.empty() || roots.back() != root[i]) {
            roots.push_back(root[i]);
            variances.push_back(q[i]);
        }
        result.distinct[i] = static_cast<std::uint32_t>(roots.size() - 1);
    }
    const std::size_t known = roots.size();
    const Moments zero = at_zero(what);
    const std::size_t count = known + (any_zero ? 1 : 0);  // variance 0 comes last
    for (std::size_t i = 0; i < n; ++i) {
        if (root[i] == 0.0) result.distinct[i] = static_cast<std::uint32_t>(known);
    }
    std::vector<Sums> sums;
    std::vector<double> a;
    std::size_t terms = 1;
    std::size_t kept = 1;
    if (known > 0) {
        const Expander expander(what, roots, threads);
        result.parity = expander.parity();
        const std::size_t most = std::max<std::size_t>(
            1, std::min(max_terms, result.parity == Parity::none ? Expansion::kMaxDegree : Expansion::kMaxDegree / 2));
        min_terms = std::min(min_terms, most);
        std::size_t guess = 0;
        for (const std::size_t i : {known - 1, known / 2, std::size_t{0}}) {
            if (guess < most) guess = std::max(guess, expander.probe(i, tolerance, most));
        }
        terms = std::min(most, std::max(min_terms, (guess + guess / 16 + 8) / 8 * 8));
        for (;; terms = std::min(most, (terms + terms / 2 + 8) / 8 * 8)) {
            expander.run(terms, sums, a);
            kept = 1;
            for (std::size_t v = 0; v < known; ++v) {
                kept = std::max(kept, expander.needed(sums[v], a.data() + v * terms, terms, tolerance));
            }
            if (kept <= terms || terms == most) break;
        }
        result.capped = kept > terms;
        kept = std::min(terms, std::max(min_terms, (kept + 3) / 4 * 4));
    } else {
        kept = std::max(min_terms, kept);
        terms = kept;
    }
    result.terms = kept;
    const Parity parity = result.parity;
    result.moments.resize(count);
    result.truncation.resize(count);
    for (std::size_t v = 0; v < known; ++v) {
        const Sums& s = sums[v];
        const double* from = a.data() + v * terms;
        double* to = a.data() + v * kept;  // behind what is still to be read
        Moments& moments = result.moments[v];
        Truncation& truncation = result.truncation[v];
        const Scaled unit(1.0, s.exponent);
        // σ is σ(0) but for its last digits: its slope is that at 0
        const bool constant = s.constant || (roots[v] < 1e-6 && s.slope < 1e-17 * s.square);
        if (constant) {
            double* b = a.data() + v * terms;
            for (std::size_t t = parity == Parity::none ? 1 : 0; t < terms; ++t)
                b[t] = degree_of(parity, t) == 0 ? b[t] : 0.0;
            if (parity == Parity::none && terms > 1 && !s.constant)
                b[1] = std::ldexp(roots[v] * zero.mean_slope, -s.exponent);
        }
        moments.square = Scaled(s.square) * (unit * unit);
        moments.slope_square = s.constant ? Scaled()
                               : constant ? zero.slope_square
                                          : quotient(Scaled(s.slope) * (unit * unit), variances[v]);
        double norm = 0.0;
        double curvature = 0.0;
        for (std::size_t t = kept; t-- > 0;) {
            const auto k = static_cast<double>(degree_of(parity, t));
            norm += from[t] * from[t];
            curvature += k * (k - 1) * (from[t] * from[t]);
        }
        if (!(norm > 0)) {
            std::fill(to, to + kept, 0.0);
            to[0] = 1.0;
            continue;
        }
        Expander::rest(parity, s, from, terms, truncation.tail, truncation.slope_tail);
        for (std::size_t t = kept; t < terms; ++t) {
            truncation.tail += from[t] * from[t];
            truncation.slope_tail += static_cast<double>(degree_of(parity, t)) * (from[t] * from[t]);
        }
        truncation.tail /= s.square;
        truncation.slope_tail /= s.square;
        truncation.chi = s.constant ? 0.0 : s.slope / s.square;
        truncation.curvature = curvature / norm;
        const double scale_to = 1.0 / std::sqrt(norm);
        if (parity == Parity::odd || (parity == Parity::none && kept > 1)) {
            const double linear = from[parity == Parity::odd ? 0 : 1];
            moments.mean_slope =
                (Scaled(linear) * unit).zero() ? 0.0 : quotient(Scaled(linear) * unit, sqrt(variances[v])).value();
        }
        for (std::size_t t = 0; t < kept; ++t) to[t] = from[t] * scale_to;
    }
    a.resize(count * kept, 0.0);
    if (any_zero) {
        std::fill(a.end() - static_cast<std::ptrdiff_t>(kept), a.end(), 0.0);
        result.moments[known] = zero;
        // the limit of σ(√q z)/√E[σ²]: its constant, or its linear term
        const bool linear = parity == Parity::none && result.moments[known].square.zero() && kept > 1;
        a[known * kept + (linear ? 1 : 0)] = 1.0;
        result.truncation[known].chi = parity == Parity::odd || linear ? 1.0 : 0.0;
    }
    result.coefficients = std::move(a);
    return result;
}

}  // namespace ntkcore
