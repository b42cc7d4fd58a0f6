// Kernels of one angle: the table that takes the place of all layers (angle_table.hpp), from these layers.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <type_traits>
#include <vector>

#include "angle_table.hpp"
#include "pairs.hpp"

namespace ntkcore {

struct Tabulated {
    AngleTable table;
    std::array<double, 3> lost;  // of ρ, D̂ and Θ where the table is evaluated, relative to the maximum of each
    Report report;
};

// The largest deviations of the table that `pairs` uses.
template <class T>
std::array<double, 3> lost_digits(const Pairs<T>& pairs, const AngleTable& table) {
    RowSpace<T> space(1, 0);
    std::array<double, 3> lost{};
    for (std::size_t done = 0; done < table.at.size(); done += kPanel) {
        const std::size_t n = std::min(kPanel, table.at.size() - done);
        for (std::size_t j = 0; j < n; ++j) space.u[j] = static_cast<T>(table.at[done + j]);
        T* const values[3] = {space.u.data(), space.dot.data(), space.theta.data()};
        pairs.all_layers({0, 0, 0, n, 0, round_up_to(n, kColumnStep), values[0], values[2], nullptr, values[1]});
        for (std::size_t s = 0; s < 3; ++s) {
            if (!table.has[s] || table.size[s] == 0) continue;
            for (std::size_t j = 0; j < n; ++j) {
                const auto value = static_cast<double>(values[s][j]);
                const double found = s == 0 ? Pairs<T>::correlation(value) : value;
                lost[s] = std::fmax(lost[s], std::fabs(found - table.exact[s][done + j]) / table.size[s]);
            }
        }
    }
    return lost;
}

// Has `pairs` use a table of the layers of `nodes`.
template <class T>
std::optional<Tabulated> tabulate_layers(const Pairs<double>& nodes, std::size_t depth, Pairs<T>& pairs,
                                         double rounding, double epsilon) {
    RowSpace<double> space(1, depth - 1);
    const AtVersines layers = [&](const std::vector<double>& u, double* rho, double* dot, double* theta) {
        nodes.at_versines(u, space, rho, dot, theta);
    };
    constexpr bool kSingle = std::is_same_v<T, float>;
    std::array<double, 3> tolerance = nodes.tolerances(rounding);
    // of a float's table the pieces take a small part
    std::optional<AnglePieces> pieces =
        AnglePieces::make(layers, nodes.tolerances(kSingle ? rounding / 10 : rounding), kSingle);
    const double noise = static_cast<double>(depth) * std::numeric_limits<double>::epsilon();
    if (!pieces && noise > rounding) {  // steep functions show what all layers round off
        pieces = AnglePieces::make(layers, nodes.tolerances(noise), kSingle);
        for (std::size_t s = 0; pieces && s < 3; ++s) {
            if (pieces->has[s]) tolerance[s] = std::max(tolerance[s], pieces->gap[s]);
        }
    }
    if (!pieces) return std::nullopt;
    std::optional<AngleTable> table = find_angle_table(*pieces, tolerance, tile::kTableTerms<T>, kSingle);
    if (!table) return std::nullopt;
    pairs.use(*table);
    const std::array<double, 3> lost = lost_digits(pairs, *table);
    return Tabulated{*std::move(table), lost, nodes.report(epsilon, &lost)};
}

// The first row of x, in double, with itself.
template <class IO>
Pairs<double> first_sample(const Network& network, MatrixView<const IO> x, Wanted wanted) {
    std::vector<double> sample(x.cols);
    for (std::size_t k = 0; k < x.cols; ++k) sample[k] = static_cast<double>(x(0, k));
    const MatrixView<const double> copies{sample.data(), kColumnStep, x.cols, 0, 1};  // computed together
    return {network, copies, nullptr, Levels::last, wanted, 1};
}

// The same of the layers of `pairs`: at the variance of the first row of x, in double.
template <class T, class IO>
std::optional<Tabulated> tabulate_layers(const Network& network, MatrixView<const IO> x, Pairs<T>& pairs,
                                         double rounding) {
    constexpr double kEpsilon = std::numeric_limits<IO>::epsilon();
    if constexpr (std::is_same_v<T, double>) {
        if (pairs.rows().alike() && pairs.cols().alike()) {
            return tabulate_layers(pairs, network.depth(), pairs, rounding, kEpsilon);
        }
    }
    const Pairs<double> nodes = first_sample(network, x, pairs.wanted());
    return tabulate_layers(nodes, network.depth(), pairs, rounding, kEpsilon);
}

}  // namespace ntkcore
