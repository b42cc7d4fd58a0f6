#include "smooth.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numbers>
#include <type_traits>

#include "ntkcore/parallel.hpp"

namespace ntkcore {
namespace {

using tile::kPanel;
using tile::SmoothKind;

template <class T>
struct Moderate {
    static constexpr double most_u = 0.95;        // of Q/(1 + Q), for erf and gelu: then 1 − z² ≥ 0.0975
    static constexpr double most_q2 = 16.0;       // b²q, for sinusoids: a rounding error of h is one of E
    static constexpr double least_energy = 0.02;  // E[σ²]/a², for sinusoids: below it E₋ − E₊ cancels
    static constexpr double least = 1e-100;       // of q and of Q/(1 + Q): the tables do not know smaller ones
    static constexpr double most_gain = 50.0;     // of rounding errors, from the first layer to the last
};
template <>
struct Moderate<float> {
    static constexpr double most_u = 0.95;
    static constexpr double most_q2 = 5.999;     // the series go to 6
    static constexpr double least_energy = 0.0;  // nothing cancels
    static constexpr double least = 1e-25;
    static constexpr double most_gain = 3.5;       // then errors stay below 1e-6
    static constexpr double most_constant = 1e15;  // and the least is its inverse: no product leaves the range of float
};

constexpr std::size_t kMany = std::size_t{1} << 13;  // exponentials: then other threads are worth waking

// Of rounding errors of a layer: their growth from it to the last one, η of Σ and ζ of Θ (error_bound.hpp). In a
// chaotic network two nearly equal samples part, and only 1 − ρ knows their distance.
struct Growth {
    double eta = 0.0, zeta = 0.0;
    void pass(const Sensitivity& of, double error_of_sigma, double error_of_theta) {
        zeta = of.theta_gain * zeta + of.theta_curve * eta + error_of_theta;
        eta = of.gain * eta + error_of_sigma;
        zeta += of.inverse_theta * eta;
    }
};

// What errors of one unit a layer may have grown to. In double all are taken to have the same sign. In float, where the
// limit is within reach of common networks, they are taken to be independent, those of Σ¹ to be half as large.
template <class T>
double gain(const Samples<T>& rows, const Samples<T>& cols, std::size_t hidden) {
    std::vector<Sensitivity> layers;
    for (std::size_t m = 0; m < hidden; ++m) {
        layers.push_back(rows.sensitivity(m));
        layers.back().include(cols.sensitivity(m));
    }
    if constexpr (std::is_same_v<T, double>) {
        Growth all{1.0, 1.0};
        for (const Sensitivity& of : layers) all.pass(of, 1.0, 1.0);
        return std::fmax(all.eta, all.zeta);
    }
    double eta2 = 0.0, zeta2 = 0.0;
    for (std::size_t source = 0; source <= 2 * hidden; ++source) {  // Σ¹, and Σ and Θ behind each layer
        Growth one;
        if (source == 0) one = {0.5, 0.5};
        for (std::size_t m = 0; m < hidden; ++m) {
            one.pass(layers[m], source == 2 * m + 1 ? 1.0 : 0.0, source == 2 * m + 2 ? 1.0 : 0.0);
        }
        eta2 += one.eta * one.eta;
        zeta2 += one.zeta * one.zeta;
    }
    return std::sqrt(std::fmax(eta2, zeta2));
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

bool smooth_network(const Network& network) {
    return !network.activation.empty() && std::all_of(network.activation.begin(), network.activation.end(), smooth);
}

// False if some variance is not moderate.
template <class T>
bool SmoothLayers<T>::tabulate(const Network& network, const Samples<T>& samples, Side& side, int threads) {
    if (samples.any_zero() || samples.any_degenerate()) return false;
    const std::size_t n = samples.size();
    const std::size_t hidden = network.activation.size();
    side.panels = (n + kPanel - 1) / kPanel;
    side.stride = side.panels * kPanel + 16;  // no power of two: see kTableSkew
    side.tables = Aligned<T>::raw((hidden + 2) * kTables * side.stride);
    side.most.assign((hidden + 2) * side.panels, T(0));
    std::atomic<bool> moderate{true};
    parallel_for(side.panels, n * hidden < kMany ? 1 : threads, [&](std::size_t panel, int, Work&) {
        for (std::size_t m = 0; m < hidden; ++m) {
            if (!panel_of(network.activation[m], samples, m, panel, side)) moderate.store(false);
        }
    });
    return moderate.load();
}

// The numbers of a panel that hidden layer m needs, and of the start.
template <class T>
bool SmoothLayers<T>::panel_of(const Activation& activation, const Samples<T>& samples, std::size_t m,
                               std::size_t panel, Side& side) {
    const std::size_t i0 = panel * kPanel;
    const std::size_t size = std::min(kPanel, samples.size() - i0);
    double q[kPanel] = {};
    double least = std::numeric_limits<double>::infinity();
    double largest = 0.0;
    for (std::size_t i = 0; i < size; ++i) {
        q[i] = samples.variance(m, i0 + i);
        if (!(q[i] > Moderate<T>::least) || !std::isfinite(q[i])) return false;
        least = std::fmin(least, q[i]);
        largest = std::fmax(largest, q[i]);
    }
    T* const start = side.tables.data() + i0;
    T* const first = start + (m + 1) * kTables * side.stride;
    T* const second = first + side.stride;
    T* const third = second + side.stride;
    if (m == 0) {
        for (std::size_t i = 0; i < kPanel; ++i) start[i] = static_cast<T>(std::sqrt(q[i]));
    }
    T& most_of_panel = side.most[(m + 1) * side.panels + panel];
    if (activation.family == Family::erf || activation.family == Family::gelu) {
        // g² = 2b²/(1 + 2b²q), or 1/(1 + q)
        const bool erf = activation.family == Family::erf;
        const double scale = erf ? 2.0 * activation.parameters.at(1) * activation.parameters.at(1) : 1.0;
        const auto g2 = [&](double variance) { return scale / (1.0 + scale * variance); };
        for (std::size_t i = 0; i < kPanel; ++i) {
            first[i] = static_cast<T>(std::sqrt(g2(q[i])));
            second[i] = static_cast<T>(q[i]);
            third[i] = T(0);  // not used
        }
        const double most = g2(largest) * largest;
        most_of_panel = static_cast<T>(most);
        return g2(least) * least > Moderate<T>::least && most <= Moderate<T>::most_u;
    }
    const Sinusoid of(activation);
    const double most = of.b2 * largest;
    most_of_panel = static_cast<T>(most);
    bool enough = true;
    for (std::size_t i = 0; i < kPanel; ++i) {
        const double q2 = of.b2 * q[i];
        const double k = std::exp(-0.5 * q2);
        const double fade = (k * k) * (k * k);
        enough = enough && (i >= size || of.odd2 * (1 - fade) + of.even2 * (1 + fade) >= 2 * Moderate<T>::least_energy);
        first[i] = static_cast<T>(0.5 * q2);
        second[i] = static_cast<T>(k * k);
        third[i] = static_cast<T>(k);
    }
    return enough && most <= Moderate<T>::most_q2;
}

template <class T>
std::optional<SmoothLayers<T>> SmoothLayers<T>::make(const Network& network, const Samples<T>& rows,
                                                     const Samples<T>& cols, bool symmetric, int threads) {
    if (!(gain(rows, cols, network.activation.size()) <= Moderate<T>::most_gain)) return std::nullopt;
    SmoothLayers<T> result;
    result.symmetric_ = symmetric;
    result.direct_ = rows.direct();
    if (!tabulate(network, rows, result.rows_, threads)) return std::nullopt;
    if (!symmetric && !tabulate(network, cols, result.cols_, threads)) return std::nullopt;
    tile::SmoothCall<T> call{};
    call.kind = SmoothKind::start;
    result.steps_.push_back(call);
    for (std::size_t m = 0; m < network.activation.size(); ++m) {
        const Activation& activation = network.activation[m];
        const Affine& affine = network.affine[m + 1];
        const double weight = affine.weight_std * affine.weight_std;
        call.nonnegative = m > 0 && network.activation[m - 1].family == Family::rbf;
        double bias = affine.bias_std * affine.bias_std;
        if (activation.family == Family::erf) {
            const double a = activation.parameters.at(0);
            const double c = activation.parameters.at(2);
            const double b = activation.parameters.at(1);
            if (std::is_same_v<T, float> && !(b * b <= Moderate<float>::most_constant)) return std::nullopt;
            call.kind = SmoothKind::erf;
            call.weight = static_cast<T>(weight * a * a * 2.0 * std::numbers::inv_pi);
            bias += weight * c * c;
        } else if (activation.family == Family::gelu) {
            call.kind = SmoothKind::gelu;
            call.weight = static_cast<T>(weight * 0.5 * std::numbers::inv_pi);
        } else {
            const Sinusoid of(activation);
            call.kind = SmoothKind::sinusoid;
            call.weight = static_cast<T>(0.5 * weight * of.a2 * (of.even2 + of.odd2));
            call.far_weight = static_cast<T>(0.5 * weight * of.a2 * (of.even2 - of.odd2));
            call.odd = static_cast<T>(weight * of.a2 * of.odd2);
            call.even = static_cast<T>(weight * of.a2 * of.even2);
            call.square = static_cast<T>(of.b2);
        }
        call.bias = static_cast<T>(bias);
        result.steps_.push_back(call);
        call.far_weight = T(0);
    }
    if constexpr (std::is_same_v<T, float>) {
        constexpr double kMost = Moderate<float>::most_constant;
        for (const tile::SmoothCall<T>& step : result.steps_) {
            const auto moderate = [](T x) { return x <= kMost && x >= 1.0 / kMost; };
            if (step.kind == SmoothKind::start) continue;
            if (!moderate(step.weight) || !(step.bias <= kMost)) return std::nullopt;
            if (step.kind == SmoothKind::sinusoid && !moderate(step.square)) return std::nullopt;
        }
        call.kind = SmoothKind::finish;
        result.steps_.push_back(call);
        result.compare(rows, result.rows_, threads);
        if (!symmetric) result.compare(cols, result.cols_, threads);
    }
    return result;
}

template <class T>
void SmoothLayers<T>::compare(const Samples<T>& samples, Side& side, int threads) const {
    constexpr std::size_t kCopies = tile::kColumnStep;
    constexpr double kApart = 1e-5;
    const std::size_t n = samples.size();
    const std::size_t hidden = steps_.size() - 2;
    T* const lacks = side.tables.data() + (hidden + 1) * kTables * side.stride;
    parallel_for(side.panels, n * hidden < kMany ? 1 : threads, [&](std::size_t panel, int, Work&) {
        alignas(64) T sigma[kCopies], theta[kCopies], tables[kTables * kCopies];
        std::fill_n(lacks + panel * kPanel, kPanel, T(0));
        std::fill_n(lacks + side.stride + panel * kPanel, kPanel, T(0));
        for (std::size_t i = panel * kPanel; i < std::min(n, (panel + 1) * kPanel); ++i) {
            const T root = side.tables[i];
            for (std::size_t l = 0; l < kCopies; ++l) {
                const double shift = kApart * (static_cast<double>(l) - 0.5 * (kCopies - 1));
                sigma[l] = theta[l] = root * root * static_cast<T>(1.0 + shift);
            }
            for (std::size_t m = 1; m <= hidden; ++m) {
                for (std::size_t t = 0; t < kTables; ++t) {
                    std::fill_n(tables + t * kCopies, kCopies, side.tables[(m * kTables + t) * side.stride + i]);
                }
                tile::SmoothCall<T> call = steps_[m];
                call.begin = 0;
                call.end = kCopies;
                call.sigma = sigma;
                call.theta = theta;
                call.columns = call.row = tables;
                call.stride = call.row_stride = kCopies;
                call.most = side.most[m * side.panels + panel];
                tile::kernels<T>().smooth(call);
            }
            const auto lack = [&](T own, const T* copies) {
                double sum = 0.0;
                for (std::size_t l = 0; l < kCopies; ++l) sum += static_cast<double>(copies[l]);
                return static_cast<T>(0.5 * (kCopies * static_cast<double>(own) / sum - 1.0));
            };
            lacks[i] = lack(samples.sigma_diagonal(0, i), sigma);
            lacks[side.stride + i] = lack(samples.theta_diagonal(0, i), theta);
        }
    });
}

template <class T>
bool SmoothLayers<T>::start(const Samples<T>& rows, const Samples<T>& cols, std::size_t i, std::size_t j0,
                            std::size_t begin, std::size_t end, T* sigma, T* theta) const {
    if (!direct_) return false;
    const Side& of_cols = symmetric_ ? rows_ : cols_;
    tile::kernels<T>().start_smooth({rows.panel(i / kPanel), i % kPanel, cols.panel(j0 / kPanel), rows.features(),
                                     begin, end, T(2) * rows_.tables[i], of_cols.tables.data() + j0, sigma, theta});
    return true;
}

template <class T>
void SmoothLayers<T>::run(std::size_t i, std::size_t j0, std::size_t begin, std::size_t end, T* u, T* theta) const {
    const Side& cols = symmetric_ ? rows_ : cols_;
    const tile::Kernels<T>& kernels = tile::kernels<T>();
    for (std::size_t m = direct_ ? 1 : 0; m < steps_.size(); ++m) {
        tile::SmoothCall<T> call = steps_[m];
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

template class SmoothLayers<float>;
template class SmoothLayers<double>;

}  // namespace ntkcore
