// Data that the tests share: random numbers that are the same everywhere, networks, and samples with every hard pair.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "ntkcore/matrix_view.hpp"
#include "ntkcore/network.hpp"

namespace ntkcore::testing {

// splitmix64, and the sum of twelve uniform numbers for a normal one: the same numbers on every platform.
class Random {
   public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t bits() {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15U;
        z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31U);
    }
    std::size_t below(std::size_t n) { return static_cast<std::size_t>(bits() % n); }
    double uniform() { return static_cast<double>(bits() >> 11U) * 0x1p-53; }
    double normal() {
        double sum = -6;
        for (int k = 0; k < 12; ++k) sum += uniform();
        return sum;
    }
    template <class T>
    std::vector<T> normal(std::size_t n) {
        std::vector<T> values(n);
        for (T& value : values) value = static_cast<T>(normal());
        return values;
    }

   private:
    std::uint64_t state_;
};

inline Activation ab_relu(double a, double b) { return {Family::ab_relu, {a, b}, nullptr}; }

// The largest of some errors; NaN counts as infinitely wrong.
class Largest {
   public:
    void add(double error) {
        if (std::isnan(error)) error = std::numeric_limits<double>::infinity();
        if (error > value_) value_ = error;
    }
    [[nodiscard]] double value() const { return value_; }

   private:
    double value_ = 0;
};

// One activation and one pair of standard deviations for all layers.
inline Network uniform_network(std::size_t depth, const Activation& activation, double weight_std, double bias_std) {
    Network network;
    network.affine.assign(depth, {weight_std, bias_std});
    network.activation.assign(depth - 1, activation);
    return network;
}

// Errors of a kernel entry are measured against √(K_ii K_jj).
template <class T>
constexpr double kTolerance = std::is_same_v<T, float> ? 5e-7 : 2e-15;

// Samples as rows, in the dtype under test.
template <class T>
struct Rows {
    std::size_t count = 0, features = 0;
    std::vector<T> values;

    [[nodiscard]] MatrixView<const T> view() const {
        return {values.data(), count, features, static_cast<std::ptrdiff_t>(features), 1};
    }
    [[nodiscard]] std::vector<double> row(std::size_t i) const {
        return {values.begin() + static_cast<std::ptrdiff_t>(i * features),
                values.begin() + static_cast<std::ptrdiff_t>((i + 1) * features)};
    }
    void add(const std::vector<double>& row) {
        for (const double value : row) values.push_back(static_cast<T>(value));
        ++count;
    }
};

// Distinct rows that between them have every kind of pair: random, collinear, nearly parallel and nearly opposite to
// all degrees, exactly opposite, equal, orthogonal, a row of zeros, and one that is much longer than the others.
template <class T>
Rows<T> hard_rows(std::size_t features, std::uint64_t seed, double longest = 1e6) {
    Random random(seed);
    Rows<T> rows{0, features, {}};
    const auto combine = [&](double s, const std::vector<double>& x, double t, const std::vector<double>& y) {
        std::vector<double> z(features);
        for (std::size_t k = 0; k < features; ++k) z[k] = s * x[k] + t * y[k];
        rows.add(z);
    };
    for (int i = 0; i < 6; ++i) rows.add(random.normal<double>(features));
    const auto x = rows.row(0);
    const auto noise = rows.row(1);
    combine(0.0, x, 0.0, x);
    for (const double s : {1.0, -1.0, 0x1p-12, -3.0, longest}) combine(s, x, 0.0, x);
    for (const double distance : {1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8, 1e-10, 1e-12, 1e-14}) {
        combine(1.0, x, distance, noise);
        combine(-1.0, x, distance, noise);
    }
    for (const std::size_t k : {std::size_t{0}, features - 1}) {
        std::vector<double> unit(features, 0.0);
        unit[k] = 1.0;
        rows.add(unit);
    }
    return rows;
}

// n samples drawn from the hard rows, and which one each of them is: so that all entries of a large matrix can be
// compared with the reference of few.
template <class T>
struct Draw {
    Rows<T> rows;
    std::vector<std::size_t> of;
};

template <class T>
Draw<T> draw(const Rows<T>& pool, std::size_t n, std::uint64_t seed) {
    Random random(seed);
    Draw<T> drawn{{n, pool.features, {}}, {}};
    drawn.rows.values.reserve(n * pool.features);
    for (std::size_t i = 0; i < n; ++i) {
        // every row once, then at random
        const std::size_t which = i < pool.count ? (i * 7 + seed) % pool.count : random.below(pool.count);
        drawn.of.push_back(which);
        const auto first = pool.values.begin() + static_cast<std::ptrdiff_t>(which * pool.features);
        drawn.rows.values.insert(drawn.rows.values.end(), first, first + static_cast<std::ptrdiff_t>(pool.features));
    }
    return drawn;
}

}  // namespace ntkcore::testing
