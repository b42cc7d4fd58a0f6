#include "ntkcore/scalar_kernel.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <optional>
#include <stdexcept>
#include <utility>

#include "curve.hpp"
#include "pairs.hpp"

namespace ntkcore {
namespace {

constexpr double kRounding = 2e-15;  // of the series
constexpr std::size_t kMost = 4096;  // terms of it

// The signed versine (tile/kernels.hpp) of an angle in [0, π].
double versine(double angle) {
    const bool opposite = angle > std::numbers::pi / 2;
    const double half = opposite ? std::cos(angle / 2) : std::sin(angle / 2);
    return opposite ? -2 * half * half : 2 * half * half;
}

// ρ, D̂ and Θ/√(qq') behind all layers where the first ones are cos(angles); null where one is not wanted.
void at_angles(const Pairs<double>& pairs, const std::vector<double>& angles, RowSpace<double>& space, double* rho,
               double* dot, double* theta) {
    std::vector<double> u(angles.size());
    std::transform(angles.begin(), angles.end(), u.begin(), versine);
    pairs.at_versines(u, space, rho, dot, theta);
}

}  // namespace

struct ScalarKernel::State {
    State(const Network& network, double mean_square, bool slopes)
        : root(std::sqrt(mean_square)),
          layers(network.activation.size()),
          wanted{true, slopes, slopes},
          pairs(network, MatrixView<const double>{&root, kColumnStep, 1, 0, 0}, nullptr, Levels::last, wanted, 1) {
        const Scaled direction = square(network.affine.front().weight_std) * Scaled(mean_square);
        const Scaled bias = square(network.affine.front().bias_std);
        const Scaled q = direction + bias;
        if (q.zero()) throw std::invalid_argument("the first layer has no variance: mean_square or weight_std is 0");
        variance = q.value();
        share = ratio(direction, q);
        rest = ratio(bias, q);
        RowSpace<double> space(1, layers);
        curve = tabulate([&](const std::vector<double>& angles, double* rho, double* dot,
                             double* theta) { at_angles(pairs, angles, space, rho, dot, theta); },
                         pairs.tolerances(kRounding), kMost);
        const Report report = pairs.report(std::numeric_limits<double>::epsilon(), curve ? &curve->error : nullptr);
        bound = report.bounds.back();
        capped = report.capped;
        for (const std::size_t d : report.degrees) degree = std::max(degree, d);
    }

    // What ρ, D̂ or Θ/√(qq') is multiplied with.
    [[nodiscard]] double scale(Kernel kernel) const {
        const Samples<double>& sample = pairs.rows();
        const Scaled& root_scale = (kernel == Kernel::sigma_dot ? sample.dot_scale(0) : sample.scale(0)).exact[0];
        return saturate<double>(root_scale * root_scale);
    }

    double root;  // the only feature of the samples
    std::size_t layers;
    Wanted wanted;
    Pairs<double> pairs;
    std::optional<Curve> curve;
    double variance = 0.0, share = 0.0, rest = 0.0;  // share + rest = 1
    ErrorBound bound;
    bool capped = false;
    std::size_t degree = 0;
};

ScalarKernel::ScalarKernel(const Network& network, double mean_square, bool slopes) {
    network.validate();
    state_ = std::make_unique<State>(network, mean_square, slopes);
}
ScalarKernel::~ScalarKernel() = default;
ScalarKernel::ScalarKernel(ScalarKernel&&) noexcept = default;
ScalarKernel& ScalarKernel::operator=(ScalarKernel&&) noexcept = default;

double ScalarKernel::variance() const { return state_->variance; }
double ScalarKernel::share() const { return state_->share; }
const ErrorBound& ScalarKernel::error_bound() const { return state_->bound; }
bool ScalarKernel::capped() const { return state_->capped; }
std::size_t ScalarKernel::degree() const { return state_->degree; }

double ScalarKernel::diagonal(Kernel kernel) const {
    const Samples<double>& sample = state_->pairs.rows();
    switch (kernel) {
        case Kernel::sigma:
            return sample.sigma_diagonal(0, 0);
        case Kernel::sigma_dot:
            return state_->layers == 0 ? 0.0 : sample.sigma_dot_diagonal(0, 0);
        default:
            return sample.theta_diagonal(0, 0);
    }
}

double ScalarKernel::bend() const { return state_->curve ? state_->curve->bend : 0.0; }

std::vector<double> ScalarKernel::coefficients(Kernel kernel) const {
    if (!state_->curve) return {};
    const Curve& curve = *state_->curve;
    std::vector<double> series = kernel == Kernel::sigma       ? curve.rho
                                 : kernel == Kernel::sigma_dot ? curve.dot
                                                               : curve.theta;
    for (double& c : series) c *= state_->scale(kernel);
    return series;
}

// sin(θ₁/2) = √share·sin(θ/2), and cos²(θ₁/2) = rest + share·cos²(θ/2).
void ScalarKernel::first_angles(const double* angles, std::size_t n, double* result) const {
    const double root = std::sqrt(state_->share);
    for (std::size_t i = 0; i < n; ++i) {
        const double cosine = std::cos(angles[i] / 2);
        const double across = std::sqrt(state_->rest + state_->share * cosine * cosine);
        result[i] = 2 * std::atan2(root * std::sin(angles[i] / 2), across);
    }
}

void ScalarKernel::evaluate(Kernel kernel, const double* angles, std::size_t n, double* result) const {
    if (kernel != Kernel::sigma && !state_->wanted.theta) throw std::invalid_argument("only Σ was asked for");
    const double scale = state_->scale(kernel);
    const double own = diagonal(kernel);
    std::vector<double> first(std::min(n, std::size_t{16} * kPanel));
    RowSpace<double> space(1, state_->layers);
    for (std::size_t done = 0; done < n; done += first.size()) {
        first.resize(std::min(first.size(), n - done));
        first_angles(angles + done, first.size(), first.data());
        double* const to = result + done;
        if (!state_->curve) {
            at_angles(state_->pairs, first, space, kernel == Kernel::sigma ? to : nullptr,
                      kernel == Kernel::sigma_dot ? to : nullptr, kernel == Kernel::theta ? to : nullptr);
        } else {
            const Curve& curve = *state_->curve;
            const std::vector<double>& series = kernel == Kernel::sigma       ? curve.rho
                                                : kernel == Kernel::sigma_dot ? curve.dot
                                                                              : curve.theta;
            for (std::size_t i = 0; i < first.size(); ++i) {
                to[i] = detail::clenshaw(series, detail::bent(first[i], curve.bend));
            }
        }
        for (std::size_t i = 0; i < first.size(); ++i) to[i] = first[i] == 0.0 ? own : to[i] * scale;
    }
}

}  // namespace ntkcore
