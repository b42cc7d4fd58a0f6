#include "smooth.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tile/tables.hpp"

namespace ntkcore {
namespace {

using tile::kPanel;
using tile::SmoothKind;

constexpr double kMostU = 0.95;        // of Q/(1 + Q), for erf and gelu: then 1 − z² ≥ 0.0975
constexpr double kMostQ2 = 16.0;       // b²q, for sinusoids: a rounding error of h is one of E
constexpr double kLeastEnergy = 0.02;  // E[σ²]/a², for sinusoids: below it E₋ − E₊ cancels
constexpr double kLeast = 1e-100;      // of q and of Q/(1 + Q): the tables do not know smaller ones

constexpr double kMostGain = 50.0;  // of rounding errors, from the first layer to the last

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

// √q in front of an activation, from its tables of one sample.
double root_variance(const Activation& activation, const double* table, std::size_t stride) {
    const auto at = [&](std::size_t t) { return table[t * stride]; };
    switch (activation.family) {
        case Family::erf: {
            const double u = at(tile::kRootU) * at(tile::kRootU);
            return at(tile::kRootU) / (std::sqrt(2.0 * (1.0 - u)) * std::fabs(activation.parameters.at(1)));
        }
        case Family::gelu:
            return at(tile::kRootU) / std::sqrt(at(tile::kTau));
        case Family::rbf:
            return at(tile::kExponentialQ) / std::sqrt(2.0 * activation.parameters.at(0));
        default:
            return at(tile::kSinQ) / std::fabs(activation.parameters.at(1));
    }
}

}  // namespace

// False if some variance is not moderate.
bool SmoothLayers::tabulate(const Network& network, const Samples<double>& samples, Side& side) {
    if (samples.any_zero() || samples.any_degenerate()) return false;
    const std::size_t n = samples.size();
    const std::size_t hidden = network.activation.size();
    side.panels = (n + kPanel - 1) / kPanel;
    side.stride = side.panels * kPanel + 16;  // no power of two: see kTableSkew
    side.tables = Aligned<double>((hidden + 1) * kTables * side.stride);
    side.most.assign((hidden + 1) * side.panels, 0.0);
    const auto most = [&](std::size_t m, std::size_t i, double value) {
        double& of_panel = side.most[(m + 1) * side.panels + i / kPanel];
        of_panel = std::fmax(of_panel, value);
    };
    for (std::size_t m = 0; m < hidden; ++m) {
        const Activation& activation = network.activation[m];
        double* const start = side.tables.data();
        double* const first = start + (m + 1) * kTables * side.stride;
        double* const second = first + side.stride;
        for (std::size_t i = 0; i < n; ++i) {
            const double root = root_variance(activation, samples.tables(m, i), samples.stride());
            const double q = root * root;
            if (!(q > kLeast) || !std::isfinite(q)) return false;
            if (m == 0) start[i] = root;
            if (activation.family == Family::erf || activation.family == Family::gelu) {
                // g² = 2b²/(1 + 2b²q), or 1/(1 + q)
                const bool erf = activation.family == Family::erf;
                const double scale = erf ? 2.0 * activation.parameters.at(1) * activation.parameters.at(1) : 1.0;
                const double g2 = scale / (1.0 + scale * q);
                if (!(g2 * q > kLeast && g2 * q <= kMostU)) return false;
                first[i] = std::sqrt(g2);
                second[i] = q;
                most(m, i, g2 * q);
            } else {
                const Sinusoid of(activation);
                const double q2 = of.b2 * q;
                const double k = std::exp(-0.5 * q2);
                const double fade = (k * k) * (k * k);
                if (!(q2 <= kMostQ2) || !(of.odd2 * (1 - fade) + of.even2 * (1 + fade) >= 2 * kLeastEnergy))
                    return false;
                first[i] = 0.5 * q2;
                second[i] = k * k;
                second[side.stride + i] = k;
                most(m, i, q2);
            }
        }
    }
    return true;
}

std::optional<SmoothLayers> SmoothLayers::make(const Network& network, const Samples<double>& rows,
                                               const Samples<double>& cols, bool symmetric) {
    if (network.activation.empty() || !std::all_of(network.activation.begin(), network.activation.end(), smooth))
        return std::nullopt;
    if (!(gain(rows, cols, network.activation.size()) <= kMostGain)) return std::nullopt;
    SmoothLayers result;
    result.symmetric_ = symmetric;
    result.direct_ = rows.direct();
    if (!tabulate(network, rows, result.rows_)) return std::nullopt;
    if (!symmetric && !tabulate(network, cols, result.cols_)) return std::nullopt;
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
