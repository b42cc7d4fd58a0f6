// Networks for the tests of mlp.hpp and empirical_ntk.hpp: the same numbers in the dtype under test and in long double.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "cases.hpp"
#include "ntkcore/mlp.hpp"
#include "reference_mlp.hpp"

namespace ntkcore::testing {

template <class T>
constexpr double kMlpTolerance = std::is_same_v<T, float> ? 2e-5 : 5e-14;

inline const reference::Map& map_named(const std::string& name) {
    for (const reference::Map& map : reference::maps()) {
        if (map.name == name) return map;
    }
    throw std::invalid_argument(name);
}

template <class T>
struct Case {
    std::vector<std::size_t> sizes;
    std::size_t n;
    std::vector<reference::Map> sigma;
    std::vector<std::vector<T>> weights, biases;
    std::vector<T> x, direction;

    Case(std::vector<std::size_t> layer_sizes, std::size_t points, const std::string& name, std::uint64_t seed = 5)
        : sizes(std::move(layer_sizes)), n(points) {
        Random random(seed);
        for (std::size_t l = 0; l + 1 < sizes.size(); ++l) {
            weights.push_back(random.normal<T>(sizes[l] * sizes[l + 1]));
            biases.push_back(random.normal<T>(sizes[l + 1]));
            if (l > 0) sigma.push_back(map_named(name));
        }
        x = random.normal<T>(n * sizes.front());
        direction = random.normal<T>(n * sizes.back());
    }

    [[nodiscard]] std::size_t depth() const { return weights.size(); }
    [[nodiscard]] static double weight_std(std::size_t l) { return 1.25 - 0.125 * static_cast<double>(l); }
    [[nodiscard]] static double bias_std(std::size_t l) { return 0.25 + 0.125 * static_cast<double>(l); }

    // On the arrays of this case, which it changes.
    [[nodiscard]] Mlp<T> engine(int threads) {
        std::vector<Dense<T>> layers;
        std::vector<Nonlinearity> activations;
        for (std::size_t l = 0; l < depth(); ++l) {
            layers.push_back({weights[l].data(), biases[l].data(), sizes[l], sizes[l + 1], weight_std(l), bias_std(l)});
            if (l > 0) activations.emplace_back(sigma[l - 1].name, sigma[l - 1].parameters);
        }
        return {std::move(layers), std::move(activations), threads};
    }
    [[nodiscard]] ntkcore::Rows<const T> points() const { return {x.data(), sizes.front()}; }

    [[nodiscard]] std::vector<reference::Layer> layers() const {
        std::vector<reference::Layer> all;
        for (std::size_t l = 0; l < depth(); ++l) {
            all.push_back({sizes[l], sizes[l + 1], real(weights[l]), real(biases[l]), weight_std(l), bias_std(l)});
        }
        return all;
    }
    [[nodiscard]] reference::Vector point(std::size_t p) const { return row(x, p, sizes.front()); }
    [[nodiscard]] reference::Vector direction_at(std::size_t p) const { return row(direction, p, sizes.back()); }
    // ∂⟨direction, f⟩/∂θ, summed over the points.
    [[nodiscard]] std::vector<reference::Vector> gradient() const {
        std::vector<reference::Vector> sum;
        for (std::size_t p = 0; p < n; ++p) {
            const reference::Vector d = direction_at(p);
            if (sum.empty() || std::any_of(d.begin(), d.end(), [](reference::Real v) { return v != 0; }))
                add(sum, p, d);
        }
        return sum;
    }

   private:
    void add(std::vector<reference::Vector>& sum, std::size_t p, const reference::Vector& d) const {
        const auto one = reference::gradient(layers(), sigma, point(p), d);
        if (sum.empty()) {
            sum = one;
            return;
        }
        for (std::size_t part = 0; part < one.size(); ++part) {
            for (std::size_t i = 0; i < one[part].size(); ++i) sum[part][i] += one[part][i];
        }
    }
    static reference::Vector real(const std::vector<T>& values) { return {values.begin(), values.end()}; }
    static reference::Vector row(const std::vector<T>& values, std::size_t p, std::size_t width) {
        const auto begin = values.begin() + static_cast<std::ptrdiff_t>(p * width);
        return {begin, begin + static_cast<std::ptrdiff_t>(width)};
    }
};

// Memory for one number per parameter.
template <class T>
struct OwnParameters {
    std::vector<std::vector<T>> parts;  // weights and biases of each layer in turn
    Parameters<T> view;

    OwnParameters(const std::vector<std::size_t>& sizes, T value) {
        for (std::size_t l = 0; l + 1 < sizes.size(); ++l) {
            parts.emplace_back(sizes[l] * sizes[l + 1], value);
            parts.emplace_back(sizes[l + 1], value);
        }
        for (std::size_t l = 0; l + 1 < sizes.size(); ++l) {
            view.weights.push_back(parts[2 * l].data());
            view.biases.push_back(parts[2 * l + 1].data());
        }
    }
};

// The largest |found − wanted| over the largest |wanted|.
template <class Found, class Wanted>
double distance(const Found& found, const Wanted& wanted) {
    Largest error;
    Largest size;
    REQUIRE(found.size() == wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        error.add(static_cast<double>(std::fabs(static_cast<reference::Real>(found[i]) - wanted[i])));
        size.add(static_cast<double>(std::fabs(static_cast<reference::Real>(wanted[i]))));
    }
    return size.value() > 0 ? error.value() / size.value() : error.value();
}

}  // namespace ntkcore::testing
