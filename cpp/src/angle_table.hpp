// Kernels of one angle. If all samples have the same variance (points of a sphere, standardised rows), or if nothing in
// the network depends on it (homogeneous activations, no bias), ρ, D̂ and Θ/√(qq') behind all layers are functions of
// the angle θ = arccos ρ¹ alone, at any depth and for every activation. They are tabulated once: a pair then costs the
// same for all networks.
//
// With |u| = 1 − |ρ¹| the functions are analytic in √|u| = √2 sin(θ/2), or √2 cos(θ/2) where ρ¹ < 0, also at 0. Kernels
// of deep networks are steep near ρ = ±1, on any scale: so the bins of the table are 2^bits to an octave of
//   t = √|u| + 2^−octaves,
// found from the leading bits of the number t, and in each the functions are polynomials of its other bits (see
// tile/angle_table.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "angle_pieces.hpp"
#include "interpolation.hpp"
#include "ntkcore/aligned.hpp"
#include "tile/kernels.hpp"

namespace ntkcore {

struct AngleTable {
    std::size_t terms = 0;  // coefficients of a polynomial
    int bits = 0;
    std::array<bool, 3> has{};  // of ρ, D̂ and Θ
    // of ρ¹ ≥ 0, and of ρ¹ < 0
    std::array<int, 2> octaves{};
    std::array<std::size_t, 2> bins{};
    std::vector<double> coefficients;  // [sign][bin][function][power of the rest of t's fraction]
    // Where it can be compared with the layers, what these gave, and the maximum of each function.
    std::vector<double> at;
    std::array<std::vector<double>, 3> exact;
    std::array<double, 3> size{};

    [[nodiscard]] std::size_t functions() const {
        return static_cast<std::size_t>(std::count(has.begin(), has.end(), true));
    }
    [[nodiscard]] double offset(std::size_t sign) const { return std::ldexp(1.0, -octaves[sign]); }
    // The leading bits of a number in t's range, counted from those of the smallest.
    [[nodiscard]] std::size_t bin(std::size_t sign, double t) const { return leading(t) - leading(offset(sign)); }
    // The smallest t of a bin.
    [[nodiscard]] double start(std::size_t sign, std::size_t b) const {
        return std::bit_cast<double>((leading(offset(sign)) + b) << (52 - bits));
    }
    // All functions at u, in the order of `has`: the slow twin of the tile kernel.
    void evaluate(double u, double* result) const {
        const std::size_t sign = std::signbit(u) ? 1 : 0;
        const double t = std::sqrt(std::min(1.0, std::fabs(u))) + offset(sign);
        const std::size_t b = bin(sign, t);
        const double x = (t - start(sign, b)) / std::ldexp(1.0, std::ilogb(t));
        const std::size_t n = functions();
        const double* c = coefficients.data() + (sign * bins[0] + b) * n * terms;
        for (std::size_t s = 0; s < n; ++s, c += terms) {
            result[s] = c[terms - 1];
            for (std::size_t k = terms - 1; k-- > 0;) result[s] = result[s] * x + c[k];
        }
    }
    // The largest |u| next to which a function, relative to its maximum, changes by more than `slope` per radian
    // between neighbouring places of comparison; 0 if there is none.
    [[nodiscard]] double steep_until(double slope) const {
        std::vector<std::size_t> order(at.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        const auto place = [&](std::size_t i) { return std::pair(std::signbit(at[i]), std::fabs(at[i])); };
        std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return place(a) < place(b); });
        const auto angle = [&](std::size_t i) {
            return 2 * std::asin(std::sqrt(std::fabs(at[i]) / 2));
        };  // from 0 or π
        constexpr double kRounding = 1e-12;  // of the layers
        double until = 0.0;
        for (std::size_t n = 1; n < order.size(); ++n) {
            const std::size_t a = order[n - 1], b = order[n];
            if (std::signbit(at[a]) != std::signbit(at[b])) continue;
            for (std::size_t s = 0; s < 3; ++s) {
                if (!has[s]) continue;
                const double change = std::fabs(exact[s][b] - exact[s][a]);
                if (change > (slope * (angle(b) - angle(a)) + kRounding) * size[s])
                    until = std::fmax(until, std::fabs(at[b]));
            }
        }
        return until;
    }

   private:
    [[nodiscard]] std::uint64_t leading(double t) const { return std::bit_cast<std::uint64_t>(t) >> (52 - bits); }
};

// A table in T, for the tile kernel.
template <class T>
class RoundedTable {
   public:
    explicit RoundedTable(const AngleTable& table) : has_(table.has), coefficients_(table.coefficients.size()) {
        std::transform(table.coefficients.begin(), table.coefficients.end(), coefficients_.data(),
                       [](double c) { return static_cast<T>(c); });
        call_.functions = table.functions();
        call_.rho = has_[0];
        call_.bits = table.bits;
        call_.bins = table.bins[0];
        for (std::size_t sign = 0; sign < 2; ++sign) call_.offset[sign] = static_cast<T>(table.offset(sign));
    }
    // In place of u, D̂ and Θ/√(qq'), of which those that are not in the table are left alone.
    void run(const tile::Kernels<T>& kernels, std::size_t begin, std::size_t end, T* u, T* dot, T* theta) const {
        tile::TableCall<T> call = call_;
        call.begin = begin;
        call.end = end;
        call.u = u;
        call.coefficients = coefficients_.data();
        T* const all[3] = {u, dot, theta};
        for (std::size_t s = 0, n = 0; s < 3; ++s) {
            if (has_[s]) call.out[n++] = all[s];
        }
        kernels.angle_table(call);
    }

   private:
    std::array<bool, 3> has_;
    Aligned<T> coefficients_;
    tile::TableCall<T> call_{};
};

namespace detail {

// Looks for the coarsest table of the pieces that keeps to them within the tolerances.
class TableSearch {
   public:
    TableSearch(const AnglePieces& pieces, const std::array<double, 3>& tolerance, std::size_t terms, bool single)
        : pieces_(pieces),
          tolerance_(tolerance),
          interpolation_(terms),
          terms_(terms),
          most_octaves_(single ? 62 : 110) {
        for (std::size_t k = 0; k < terms_ / 2; ++k) {  // where T_n has extrema
            between_.push_back(0.5 + 0.5 * interpolation_cosine(2 * k + 1));
        }
    }

    std::optional<AngleTable> find() const {
        const int least = terms_ < 8 ? 4 : 3;
        for (int bits = least; bits <= least + 5; ++bits) {
            AngleTable table;
            table.terms = terms_;
            table.bits = bits;
            table.has = pieces_.has;
            table.at = pieces_.at;
            table.exact = pieces_.exact;
            table.size = pieces_.size;
            if (fill(table, 0) && fill(table, 1)) return table;
        }
        return std::nullopt;
    }

   private:
    static constexpr std::size_t kMostBins = 4096;  // 256 KB of a function in double
    enum class Fit { good, steep_end, steep };

    [[nodiscard]] double interpolation_cosine(std::size_t k) const {
        return std::cos(std::numbers::pi * static_cast<double>(k) / static_cast<double>(terms_));
    }

    // Appends the polynomials for one sign, with as few octaves as possible.
    bool fill(AngleTable& table, std::size_t sign) const {
        const std::size_t octave = std::size_t{1} << table.bits;
        for (int octaves = 0; octaves <= most_octaves_; ++octaves) {
            table.octaves[sign] = octaves;
            const std::size_t bins = table.bin(sign, 1 + table.offset(sign)) + 1;
            if (table.bins[0] + bins > kMostBins) return false;
            std::vector<double> coefficients;
            if (octaves > 0 && fit(table, sign, octave, coefficients) != Fit::good) continue;
            const Fit found = fit(table, sign, bins, coefficients);
            if (found == Fit::steep) return false;
            if (found == Fit::steep_end) continue;
            table.bins[sign] = bins;
            table.coefficients.insert(table.coefficients.end(), coefficients.begin(), coefficients.end());
            return true;
        }
        return false;
    }

    // The first bins.
    Fit fit(const AngleTable& table, std::size_t sign, std::size_t count, std::vector<double>& coefficients) const {
        const double width = std::ldexp(1.0, -table.bits), offset = table.offset(sign);
        const std::size_t functions = table.functions(), n = interpolation_.nodes().size();
        coefficients.assign(count * functions * terms_, 0.0);
        std::vector<double> values(functions * n);
        double exact[3];
        for (std::size_t b = 0; b < count; ++b) {
            const double from = table.start(sign, b), to = table.start(sign, b + 1);
            // the last bin may hold the end alone
            const bool end = from - offset >= 1;
            const auto place = [&](double s) { return end ? 1.0 : (from + (to - from) * s) - offset; };
            for (std::size_t j = 0; j < n; ++j) {
                pieces_.evaluate(versine(place(interpolation_.nodes()[j]), sign), exact);
                for (std::size_t s = 0; s < functions; ++s) values[s * n + j] = exact[s];
            }
            double* const c = coefficients.data() + b * functions * terms_;
            for (std::size_t s = 0; s < functions; ++s) {
                interpolation_.fit(values.data() + s * n, width, c + s * terms_);
            }
            for (const double s : between_) {
                if (place(s) > 1) continue;
                pieces_.evaluate(versine(place(s), sign), exact);
                if (!close(c, s * width, exact)) return b < std::size_t{1} << table.bits ? Fit::steep_end : Fit::steep;
            }
            if (b == 0) {
                pieces_.evaluate(sign == 0 ? 0.0 : -0.0, exact);
                if (!close(c, 0.0, exact)) return Fit::steep_end;
                for (std::size_t s = 0; s < functions; ++s) c[s * terms_] = exact[s];
            }
        }
        return Fit::good;
    }

    // Whether all functions of a bin are close enough to exact ones.
    bool close(const double* c, double x, const double* exact) const {
        for (std::size_t s = 0; s < 3; ++s) {
            if (!pieces_.has[s]) continue;
            double sum = c[terms_ - 1];
            for (std::size_t k = terms_ - 1; k-- > 0;) sum = sum * x + c[k];
            if (!(std::fabs(sum - *exact++) <= 3 * tolerance_[s] * pieces_.size[s])) return false;
            c += terms_;
        }
        return true;
    }

    // u of √|u| = t ≤ √2, where signs change at 1.
    static double versine(double t, std::size_t sign) {
        return t <= 1 ? (sign == 0 ? t * t : -t * t) : (sign == 0 ? -(2 - t * t) : 2 - t * t);
    }

    const AnglePieces& pieces_;
    std::array<double, 3> tolerance_;
    Interpolation interpolation_;
    std::size_t terms_;
    int most_octaves_;
    std::vector<double> between_;
};

}  // namespace detail

// The coarsest table, with polynomials of so many terms, that keeps to the pieces within three times the tolerances,
// relative to the maximum of each function. `single`: for numbers that a float holds.
[[nodiscard]] inline std::optional<AngleTable> find_angle_table(const AnglePieces& pieces,
                                                                const std::array<double, 3>& tolerance,
                                                                std::size_t terms, bool single) {
    return detail::TableSearch(pieces, tolerance, terms, single).find();
}

}  // namespace ntkcore
