#include "ntkcore/gram.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "gram_work.hpp"
#include "one_dimensional.hpp"

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
    std::optional<Tabulated> tabulated;
    const auto with_table = [&](auto& layers, double rounding, const auto& accepts,
                                const Pairs<double>* nodes = nullptr) {
        const double cost = nodes != nullptr ? nodes->cost() : layers.cost();
        if (!many || !layers.one_dimensional() || layers.cost_of_table() > cost) return false;
        constexpr double kEpsilon = std::numeric_limits<T>::epsilon();
        tabulated = nodes != nullptr ? tabulate_layers(*nodes, network.depth(), layers, rounding, kEpsilon)
                                     : tabulate_layers(network, x, layers, rounding);
        if (!tabulated) return false;
        if (accepts(layers)) return true;
        layers.drop_table();
        tabulated.reset();
        return false;
    };
    const auto run = [&](auto layers) {
        Gram work(network, levels, out, threads, std::move(layers));
        if (report != nullptr) *report = tabulated ? tabulated->report : work.report();
        return wanted && work.run(threads, poll);
    };
    constexpr double kFloat = 5e-8, kDouble = 2e-15;  // tolerances
    const bool deep = network.depth() > kDeep;
    if constexpr (std::is_same_v<T, float>) {
        // Deep networks go in double, lest rounding errors add up over the layers, unless they are tabulated. If then
        // the kernel is so steep that the rounding errors of unit vectors show, there angles come from double.
        const double allowed = deep ? 4e-7 : 5e-6;
        const auto accepts = [&](Pairs<float>& layers) {
            constexpr double kStart = 5e-8;  // rad
            const double most = *std::max_element(tabulated->lost.begin(), tabulated->lost.end());
            if (most > allowed) return false;
            const double steep = tabulated->table.steep_until((allowed - most) / kStart);
            if (steep == 0) return true;
            if (!layers.rows().direct()) return false;
            layers.start_finely(FineStart(network, x, z, static_cast<float>(1.1 * steep), threads));
            return true;
        };
        bool refused = false;
        if (many && any_expanded(network) && (z == nullptr ? equal_lengths(x) : equal_lengths(x, *z))) {
            // expansions are made for the table alone
            const Pairs<double> nodes = first_sample(network, x, kernels);
            Pairs<float> layers(network, x, z, kernels, threads, nodes.rows());
            if (with_table(layers, kFloat, accepts, &nodes)) return run(std::move(layers));
            refused = true;
        }
        if (!deep || (many && !refused)) {
            Pairs<float> layers(network, x, z, levels, kernels, threads);
            if ((!refused && with_table(layers, kFloat, accepts)) || !deep) return run(std::move(layers));
        }
    }
    Pairs<double> layers(network, x, z, levels, kernels, threads);
    with_table(layers, kDouble, [](const auto&) { return true; });
    return run(std::move(layers));
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
