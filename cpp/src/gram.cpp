#include "ntkcore/gram.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "gram_work.hpp"

namespace ntkcore {
namespace {

// Θ and Σ̇ need activations whose derivative is a function.
void check_slopes(const Network& network) {
    for (const Activation& activation : network.activation) {
        if (!differentiable(activation.family)) throw std::invalid_argument("an activation has no derivative");
    }
}

template <class T>
void check(const Network& network, MatrixView<const T> x, const MatrixView<const T>* z, Levels levels,
           const Outputs<T>& out) {
    network.validate();
    const std::size_t cols = z == nullptr ? x.rows : z->rows;
    if (x.cols == 0 || (z != nullptr && z->cols != x.cols)) throw std::invalid_argument("feature counts differ");
    const std::size_t kept = levels == Levels::all ? network.depth() : 1;
    for (const auto* views : {&out.sigma, &out.sigma_dot, &out.theta}) {
        if (!views->empty() && views->size() != kept) throw std::invalid_argument("one view per level is needed");
        for (const MatrixView<T>& view : *views) {
            if (view.rows != x.rows || view.cols != cols) throw std::invalid_argument("an output has the wrong shape");
        }
    }
}

// The layers as functions of the angle, and how exact they are in arithmetic with errors ε.
struct Tabulated {
    Curve curve;
    Report report;
};
template <class T>
std::optional<Tabulated> tabulate_layers(const Pairs<T>& pairs, double rounding, double epsilon) {
    const std::optional<Curve> curve = pairs.tabulated(rounding, 1024);
    if (!curve) return std::nullopt;
    return Tabulated{*curve, pairs.report(epsilon, &*curve)};
}
// At the variance of the first row of x, in double.
template <class T, class IO>
std::optional<Tabulated> tabulate_layers(const Network& network, const Pairs<T>& pairs, MatrixView<const IO> x,
                                         double rounding, double epsilon) {
    if constexpr (std::is_same_v<T, double>) {
        if (pairs.rows().alike() && pairs.cols().alike()) return tabulate_layers(pairs, rounding, epsilon);
    }
    std::vector<double> sample(x.cols);
    for (std::size_t k = 0; k < x.cols; ++k) sample[k] = static_cast<double>(x(0, k));
    const MatrixView<const double> copies{sample.data(), kColumnStep, x.cols, 0, 1};  // computed together
    const Pairs<double> nodes(network, copies, nullptr, Levels::last, pairs.wanted(), 1);
    return tabulate_layers(nodes, rounding, epsilon);
}

// What is lost of the series where they are evaluated in T, at angles that T holds exactly: relative to the maximum.
template <class T>
std::array<double, 3> lost_digits(const Pairs<T>& pairs, const Curve& curve) {
    constexpr std::size_t kCount = 256;
    static_assert(kCount == kPanel);
    std::vector<double> angles(kCount);
    RowSpace<T> space(1, 0);
    for (std::size_t j = 0; j < kCount; ++j) {  // denser where the samples are close
        const double t = static_cast<double>(j) / static_cast<double>(kCount - 1);
        space.u[j] = Pairs<T>::template versine<T>(std::numbers::pi * t * t * t);
        const double half = 2 * std::asin(std::sqrt(0.5 * std::fabs(static_cast<double>(space.u[j]))));
        angles[j] = std::signbit(space.u[j]) ? std::numbers::pi - half : half;
    }
    Row<T> row{0, 0, 0, kCount, 0, kCount, space.u.data(), space.theta.data(), nullptr, space.dot.data()};
    pairs.all_layers(row);
    std::array<double, 3> lost{};
    const std::vector<double>* series[3] = {&curve.rho, &curve.dot, &curve.theta};
    for (std::size_t s = 0; s < 3; ++s) {
        if (series[s]->empty()) continue;
        double size = 0.0;
        double gap = 0.0;
        for (std::size_t j = 0; j < kCount; ++j) {
            const double exact = detail::clenshaw(*series[s], detail::bent(angles[j], curve.bend));
            const double found = s == 0   ? Pairs<T>::correlation(static_cast<double>(space.u[j]))
                                 : s == 1 ? static_cast<double>(space.dot[j])
                                          : static_cast<double>(space.theta[j]);
            size = std::fmax(size, std::fabs(exact));
            gap = std::fmax(gap, std::fabs(found - exact));
        }
        if (size > 0) lost[s] = gap / size;
    }
    return lost;
}

}  // namespace

template <class T>
bool gram(const Network& network, MatrixView<const T> x, const MatrixView<const T>* z, Levels levels,
          const Outputs<T>& out, int threads, const Poll* poll, Report* report) {
    check(network, x, z, levels, out);
    if (!out.sigma_dot.empty() || !out.theta.empty()) check_slopes(network);
    if (x.rows == 0 || (z != nullptr && z->rows == 0)) return false;
    const Wanted kernels{!out.sigma.empty(), !out.sigma_dot.empty(), !out.theta.empty()};
    const bool wanted = kernels.any();
    if (report == nullptr && !wanted) return false;
    const std::size_t pairs = x.rows * (z == nullptr ? x.rows : z->rows);
    const bool many = levels == Levels::last && network.depth() > 1 && pairs >= (std::size_t{1} << 17) && wanted;
    std::optional<Tabulated> table;
    const auto with_table = [&](auto& work, double tolerance, double epsilon, const auto& accepts) {
        auto& layers = work.pairs();
        if (!many || !layers.one_dimensional()) return false;
        table = tabulate_layers(network, layers, x, tolerance, epsilon);
        if (!table) return false;
        if (layers.cost_of(table->curve) <= layers.cost()) {
            layers.use(table->curve);
            if (accepts(layers)) return true;
            layers.drop_curve();
        }
        table.reset();
        return false;
    };
    const auto run = [&](auto& work) {
        if (report != nullptr) *report = table ? table->report : work.report();
        return wanted && work.run(threads, poll);
    };
    constexpr double kFloat = 5e-8, kDouble = 2e-15;  // tolerances
    constexpr double kEpsilon = std::numeric_limits<T>::epsilon();
    const bool deep = network.depth() > kDeep;
    if constexpr (std::is_same_v<T, float>) {
        // Deep networks go in double, lest rounding errors add up over the layers, unless they are tabulated. If then
        // the kernel is so steep that the rounding errors of unit vectors show, angles come from double.
        const double allowed = deep ? 4e-7 : 5e-6;
        const auto accepts = [&](Pairs<float>& layers) {
            constexpr double kStart = 5e-8;  // rad
            const std::array<double, 3> lost = lost_digits(layers, table->curve);
            const double most = *std::max_element(lost.begin(), lost.end());
            const double steepest = *std::max_element(table->curve.slope.begin(), table->curve.slope.end());
            const bool steep = most + kStart * steepest > allowed;
            if (most > allowed || (steep && !layers.rows().direct())) return false;
            if (steep) layers.start_finely(FineStart(network, x, z, threads));
            ErrorBound& last = table->report.bounds.back();
            last.sigma += 4 * lost[0];
            last.sigma_dot += 4 * lost[1];
            last.theta += 4 * lost[2];
            return true;
        };
        if (!deep || many) {
            Gram<float, float> work(network, x, z, levels, out, threads);
            if (with_table(work, kFloat, kEpsilon, accepts) || !deep) return run(work);
        }
    }
    Gram<double, T> work(network, x, z, levels, out, threads);
    with_table(work, kDouble, kEpsilon, [](const auto&) { return true; });
    return run(work);
}

template <class T>
bool gram_diagonal(const Network& network, MatrixView<const T> x, T* sigma, T* theta, int threads) {
    check<T>(network, x, nullptr, Levels::last, {});
    if (theta != nullptr) check_slopes(network);
    if (x.rows == 0) return false;
    bool clipped = false;
    const auto write = [&](const auto& samples) {
        const auto put = [&](T* to, double value) {  // a float passes through double unchanged
            constexpr double kLimit = std::numeric_limits<T>::max();
            *to = static_cast<T>(std::clamp(value, -kLimit, kLimit));
            clipped |= value >= kLimit;
        };
        for (std::size_t i = 0; i < x.rows; ++i) {
            if (sigma != nullptr) put(sigma + i, static_cast<double>(samples.sigma_diagonal(0, i)));
            if (theta != nullptr) put(theta + i, static_cast<double>(samples.theta_diagonal(0, i)));
        }
    };
    if (network.depth() > kDeep) {
        write(Samples<double>(network, make_layers<double>(network, x.rows, x.rows, true), x, Levels::last, threads));
    } else {
        write(Samples<T>(network, make_layers<T>(network, x.rows, x.rows, true), x, Levels::last, threads));
    }
    return clipped;
}

template bool gram(const Network&, MatrixView<const float>, const MatrixView<const float>*, Levels,
                   const Outputs<float>&, int, const Poll*, Report*);
template bool gram(const Network&, MatrixView<const double>, const MatrixView<const double>*, Levels,
                   const Outputs<double>&, int, const Poll*, Report*);
template bool gram_diagonal(const Network&, MatrixView<const float>, float*, float*, int);
template bool gram_diagonal(const Network&, MatrixView<const double>, double*, double*, int);

}  // namespace ntkcore
