#include "smooth.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numbers>

#include "ntkcore/parallel.hpp"

namespace ntkcore {
namespace {

using tile::kPanel;
using tile::SmoothKind;

constexpr double kMostU = 0.95;        // of Q/(1 + Q), for erf and gelu: then 1 − z² ≥ 0.0975
constexpr double kMostQ2 = 16.0;       // b²q, for sinusoids: a rounding error of h is one of E
constexpr double kLeastEnergy = 0.02;  // E[σ²]/a², for sinusoids: below it E₋ − E₊ cancels
constexpr double kLeast = 1e-100;      // of q and of Q/(1 + Q): the tables do not know smaller ones

constexpr std::size_t kMany = std::size_t{1} << 13;  // exponentials: then other threads are worth waking
constexpr double kMostGain = 50.0;                   // of rounding errors, from the first layer to the last

// What relative rounding errors of one unit a layer may have grown to: η of Σ, ζ of Θ; see error_bound.hpp. In a
// chaotic network two nearly equal samples part, and only 1 − ρ knows their distance.
double gain(const Samples<double>& rows, const Samples<double>& cols, std::size_t hidden) {
    double eta = 1.0, zeta = 1.0;
    for (std::size_t m = 0; m < hidden; ++m) {
        Sensitivity of = rows.sensitivity(m);
        of.include(cols.sensitivity(m));
        zeta = of.theta_gain * zeta + of.theta_curve * eta + 1.0;
        eta = of.gain * eta + 1.0;
        zeta += of.inverse_theta * eta;
    }
    return std::fmax(eta, zeta);
}

bool smooth(const Activation& activation) {
    switch (activation.family) {
        case Family::erf:
        case Family::gelu:
        case Family::rbf:
        case Family::sinusoid:
            return true;
        default:
            return false;
    }
}

// a (o·sin bx + e·cos bx)
struct Sinusoid {
    double a2, b2, odd2, even2;
    explicit Sinusoid(const Activation& activation) {
        const std::vector<double>& p = activation.parameters;
        const bool rbf = activation.family == Family::rbf;  // √2 sin(√(2γ) x + π/4)
        a2 = rbf ? 2.0 : p.at(0) * p.at(0);
        b2 = rbf ? 2.0 * p.at(0) : p.at(1) * p.at(1);
        odd2 = rbf ? 0.5 : p.at(2) * p.at(2);
        even2 = rbf ? 0.5 : p.at(3) * p.at(3);
    }
};

}  // namespace

bool SmoothLayers::knows(const Network& network) {
    return !network.activation.empty() && std::all_of(network.activation.begin(), network.activation.end(), smooth);
}

// False if some variance is not moderate.
bool SmoothLayers::tabulate(const Network& network, const Samples<double>& samples, Side& side, int threads) {
    if (samples.any_zero() || samples.any_degenerate()) return false;
    const std::size_t n = samples.size();
    const std::size_t hidden = network.activation.size();
    side.panels = (n + kPanel - 1) / kPanel;
    side.stride = side.panels * kPanel + 16;  // no power of two: see kTableSkew
    side.tables = Aligned<double>::raw((hidden + 1) * kTables * side.stride);
    side.most.assign((hidden + 1) * side.panels, 0.0);
    std::atomic<bool> moderate{true};
    parallel_for(side.panels, n * hidden < kMany ? 1 : threads, [&](std::size_t panel, int, Work&) {
        for (std::size_t m = 0; m < hidden; ++m) {
            if (!panel_of(network.activation[m], samples, m, panel, side)) moderate.store(false);
        }
    });
    return moderate.load();
}

// The numbers of a panel that hidden layer m needs, and of the start.
bool SmoothLayers::panel_of(const Activation& activation, const Samples<double>& samples, std::size_t m,
                            std::size_t panel, Side& side) {
    const std::size_t i0 = panel * kPanel;
    const std::size_t size = std::min(kPanel, samples.size() - i0);
    double q[kPanel] = {};
    double least = std::numeric_limits<double>::infinity();
    double largest = 0.0;
    for (std::size_t i = 0; i < size; ++i) {
        q[i] = samples.variance(m, i0 + i);
        if (!(q[i] > kLeast) || !std::isfinite(q[i])) return false;
        least = std::fmin(least, q[i]);
        largest = std::fmax(largest, q[i]);
    }
    double* const start = side.tables.data() + i0;
    double* const first = start + (m + 1) * kTables * side.stride;
    double* const second = first + side.stride;
    double* const third = second + side.stride;
    if (m == 0) {
        for (std::size_t i = 0; i < kPanel; ++i) start[i] = std::sqrt(q[i]);
    }
    double& most = side.most[(m + 1) * side.panels + panel];
    if (activation.family == Family::erf || activation.family == Family::gelu) {
        // g² = 2b²/(1 + 2b²q), or 1/(1 + q)
        const bool erf = activation.family == Family::erf;
        const double scale = erf ? 2.0 * activation.parameters.at(1) * activation.parameters.at(1) : 1.0;
        const auto g2 = [&](double variance) { return scale / (1.0 + scale * variance); };
        for (std::size_t i = 0; i < kPanel; ++i) {
            first[i] = std::sqrt(g2(q[i]));
            second[i] = q[i];
        }
        most = g2(largest) * largest;
        return g2(least) * least > kLeast && most <= kMostU;
    }
    const Sinusoid of(activation);
    most = of.b2 * largest;
    bool enough = true;
    for (std::size_t i = 0; i < kPanel; ++i) {
        const double q2 = of.b2 * q[i];
        const double k = std::exp(-0.5 * q2);
        const double fade = (k * k) * (k * k);
        enough = enough && (i >= size || of.odd2 * (1 - fade) + of.even2 * (1 + fade) >= 2 * kLeastEnergy);
        first[i] = 0.5 * q2;
        second[i] = k * k;
        third[i] = k;
    }
    return enough && most <= kMostQ2;
}

std::optional<SmoothLayers> SmoothLayers::make(const Network& network, const Samples<double>& rows,
                                               const Samples<double>& cols, bool symmetric, int threads) {
    if (!(gain(rows, cols, network.activation.size()) <= kMostGain)) return std::nullopt;
    SmoothLayers result;
    result.symmetric_ = symmetric;
    result.direct_ = rows.direct();
    if (!tabulate(network, rows, result.rows_, threads)) return std::nullopt;
    if (!symmetric && !tabulate(network, cols, result.cols_, threads)) return std::nullopt;
    tile::SmoothCall call{};
    call.kind = SmoothKind::start;
    result.steps_.push_back(call);
    for (std::size_t m = 0; m < network.activation.size(); ++m) {
        const Activation& activation = network.activation[m];
        const Affine& affine = network.affine[m + 1];
        const double weight = affine.weight_std * affine.weight_std;
        call.nonnegative = m > 0 && network.activation[m - 1].family == Family::rbf;
        call.bias = affine.bias_std * affine.bias_std;
        if (activation.family == Family::erf) {
            const double a = activation.parameters.at(0);
            const double c = activation.parameters.at(2);
            call.kind = SmoothKind::erf;
            call.weight = weight * a * a * 2.0 * std::numbers::inv_pi;
            call.bias += weight * c * c;
        } else if (activation.family == Family::gelu) {
            call.kind = SmoothKind::gelu;
            call.weight = weight * 0.5 * std::numbers::inv_pi;
        } else {
            const Sinusoid of(activation);
            call.kind = SmoothKind::sinusoid;
            call.weight = 0.5 * weight * of.a2 * (of.even2 + of.odd2);
            call.far_weight = 0.5 * weight * of.a2 * (of.even2 - of.odd2);
            call.square = of.b2;
        }
        result.steps_.push_back(call);
        call.far_weight = 0.0;
    }
    return result;
}

bool SmoothLayers::start(const Samples<double>& rows, const Samples<double>& cols, std::size_t i, std::size_t j0,
                         std::size_t begin, std::size_t end, double* sigma, double* theta) const {
    if (!direct_) return false;
    const Side& of_cols = symmetric_ ? rows_ : cols_;
    tile::kernels<double>().start_smooth({rows.panel(i / kPanel), i % kPanel, cols.panel(j0 / kPanel), rows.features(),
                                          begin, end, 2.0 * rows_.tables[i], of_cols.tables.data() + j0, sigma, theta});
    return true;
}

void SmoothLayers::run(std::size_t i, std::size_t j0, std::size_t begin, std::size_t end, double* u,
                       double* theta) const {
    const Side& cols = symmetric_ ? rows_ : cols_;
    const tile::Kernels<double>& kernels = tile::kernels<double>();
    for (std::size_t m = direct_ ? 1 : 0; m < steps_.size(); ++m) {
        tile::SmoothCall call = steps_[m];
        call.begin = begin;
        call.end = end;
        call.sigma = u;
        call.theta = theta;
        call.columns = cols.tables.data() + m * kTables * cols.stride + j0;
        call.stride = cols.stride;
        call.row = rows_.tables.data() + m * kTables * rows_.stride + i;
        call.row_stride = rows_.stride;
        call.most = cols.most[m * cols.panels + j0 / kPanel];
        kernels.smooth(call);
    }
}

}  // namespace ntkcore
