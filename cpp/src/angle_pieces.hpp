// Functions of the angle between two samples by few of their values: on pieces of √|u| ∈ [0, 1], for either sign of the
// versine u (tile/kernels.hpp), Chebyshev interpolants, each compared with the functions between its nodes. Pieces that
// are not good enough are divided; near 0 into quarters, as steep functions may be steep on any scale there.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <numbers>
#include <optional>
#include <utility>
#include <vector>

namespace ntkcore {

// f(u, rho, dot, theta) writes ρ, D̂ and Θ/√(qq') behind all layers at signed versines u; a null one is not wanted.
using AtVersines = std::function<void(const std::vector<double>&, double*, double*, double*)>;

class AnglePieces {
   public:
    std::array<bool, 3> has{};
    std::array<double, 3> gap{};   // the largest deviations that were found, relative to the maxima
    std::array<double, 3> size{};  // the maxima
    // Where the interpolants were compared with the functions, and what these gave.
    std::vector<double> at;
    std::array<std::vector<double>, 3> exact;

    // Of the functions with a tolerance, which is relative to their maximum and reached three times; none if pieces
    // would be too small. `single`: compared at numbers that a float holds.
    static std::optional<AnglePieces> make(const AtVersines& f, const std::array<double, 3>& tolerance, bool single) {
        AnglePieces result;
        for (std::size_t s = 0; s < 3; ++s) result.has[s] = tolerance[s] > 0;
        if (!result.ends(f, single ? 124 : 220)) return std::nullopt;
        for (std::size_t sign = 0; sign < 2; ++sign) {
            if (!result.divide(f, tolerance, sign, single)) return std::nullopt;
        }
        return result;
    }

    // All functions that there are, one after the other.
    void evaluate(double u, double* result) const {
        const std::size_t sign = std::signbit(u) ? 1 : 0;
        const double t = std::sqrt(std::fabs(u));
        if (t == 0) {
            std::copy(at_zero_[sign].begin(), at_zero_[sign].end(), result);
            return;
        }
        const auto next = std::upper_bound(pieces_[sign].begin() + 1, pieces_[sign].end(), t,
                                           [](double value, const Piece& piece) { return value < piece.from; });
        const Piece& piece = *(next - 1);
        const double x = (2 * t - (piece.from + piece.to)) / (piece.to - piece.from);
        for (std::size_t at_series = 0; at_series < piece.series.size(); at_series += kNodes) {
            *result++ = clenshaw(piece.series.data() + at_series, x);
        }
    }

   private:
    static constexpr std::size_t kNodes = 24;
    static constexpr std::size_t kMostPieces = 1000;
    struct Piece {
        double from, to;
        std::vector<double> series;  // coefficients of each function, from 0 on
    };

    static double clenshaw(const double* c, double x) {
        double sum = 0.0, later = 0.0;
        for (std::size_t k = kNodes; k-- > 1;) later = std::exchange(sum, 2 * x * sum + (c[k] - later));
        return x * sum + (c[0] - later);
    }
    // cos(πi/2n)
    static const std::array<double, 4 * kNodes>& cosines() {
        static const std::array<double, 4 * kNodes> table = [] {
            std::array<double, 4 * kNodes> result{};
            for (std::size_t i = 0; i < result.size(); ++i) {
                result[i] = std::cos(std::numbers::pi * static_cast<double>(i) / (2.0 * kNodes));
            }
            return result;
        }();
        return table;
    }

    void values_at(const AtVersines& f, const std::vector<double>& u,
                   std::array<std::vector<double>, 3>& values) const {
        for (std::size_t s = 0; s < 3; ++s) values[s].resize(has[s] ? u.size() : 0);
        const auto to = [&](std::size_t s) { return has[s] ? values[s].data() : nullptr; };
        f(u, to(0), to(1), to(2));
    }

    // At both ends, and near them on all scales: the maxima, and whether there is a jump.
    bool ends(const AtVersines& f, int scales) {
        for (const double sign : {1.0, -1.0}) {
            for (int k = 0; k <= scales; k += 4) at.push_back(sign * std::ldexp(1.0, -k));
            at.push_back(sign * 0.0);
        }
        values_at(f, at, exact);
        const std::size_t half = at.size() / 2;
        for (std::size_t s = 0; s < 3; ++s) {
            if (!has[s]) continue;
            for (const double value : exact[s]) {
                if (!std::isfinite(value)) return false;
                size[s] = std::fmax(size[s], std::fabs(value));
            }
            for (std::size_t sign = 0; sign < 2; ++sign) {
                const double* last = exact[s].data() + (sign + 1) * half - 1;
                at_zero_[sign].push_back(*last);
                if (std::fabs(*last - last[-1]) > 0.1 * size[s]) return false;
            }
        }
        return true;
    }

    bool divide(const AtVersines& f, const std::array<double, 3>& tolerance, std::size_t sign, bool single) {
        const double least = single ? 0x1p-60 : 0x1p-110;
        std::vector<std::pair<double, double>> rest = {{0.0, 1.0}};
        while (!rest.empty()) {
            const auto [from, to] = rest.back();
            rest.pop_back();
            if (fit(f, tolerance, sign, from, to, single)) continue;
            if (pieces_[sign].size() + rest.size() > kMostPieces || to < least || to - from < to / 20) return false;
            const double middle = (from + to) / 2;
            rest.emplace_back(middle, to);
            if (from == 0) {
                rest.emplace_back(middle / 2, middle);
                rest.emplace_back(0.0, middle / 2);
            } else {
                rest.emplace_back(from, middle);
            }
        }
        return true;  // smaller ones came first
    }

    // Appends a piece, if it is good enough.
    bool fit(const AtVersines& f, const std::array<double, 3>& tolerance, std::size_t sign, double from, double to,
             bool single) {
        const std::array<double, 4 * kNodes>& cosine = cosines();
        std::vector<double> u;
        const auto add = [&](double x, bool rounded) {
            const double t = from + (to - from) * (0.5 + 0.5 * x);
            const double square = rounded ? static_cast<double>(static_cast<float>(t * t)) : t * t;
            u.push_back(sign == 0 ? square : -square);
        };
        for (std::size_t j = 0; j < kNodes; ++j) add(cosine[2 * j + 1], false);
        for (std::size_t k = 1; k < kNodes; k += 3) add(cosine[2 * k], single);  // where T_n has extrema
        std::array<std::vector<double>, 3> values;
        values_at(f, u, values);
        Piece piece{from, to, {}};
        for (std::size_t s = 0; s < 3; ++s) {
            for (std::size_t k = 0; has[s] && k < kNodes; ++k) {
                double sum = 0.0;
                for (std::size_t j = 0; j < kNodes; ++j) sum += values[s][j] * cosine[k * (2 * j + 1) % (4 * kNodes)];
                piece.series.push_back((k == 0 ? 1.0 : 2.0) / kNodes * sum);
            }
        }
        std::array<double, 3> largest = gap;
        const double* series = piece.series.data();
        for (std::size_t s = 0; s < 3; ++s) {
            if (!has[s]) continue;
            const double end = at_zero_[sign][static_cast<std::size_t>(series - piece.series.data()) / kNodes];
            const auto close = [&](double t, double value) {
                const double found = std::fabs(clenshaw(series, (2 * t - (from + to)) / (to - from)) - value);
                largest[s] = std::fmax(largest[s], found / (size[s] > 0 ? size[s] : 1));
                return found <= 3 * tolerance[s] * size[s];
            };
            for (std::size_t i = kNodes; i < u.size(); ++i) {
                if (!close(std::sqrt(std::fabs(u[i])), values[s][i])) return false;
            }
            if (from == 0 && !close(0.0, end)) return false;
            series += kNodes;
        }
        gap = largest;
        at.insert(at.end(), u.begin() + kNodes, u.end());
        for (std::size_t s = 0; s < 3; ++s) {
            if (has[s]) exact[s].insert(exact[s].end(), values[s].begin() + kNodes, values[s].end());
        }
        pieces_[sign].push_back(std::move(piece));
        return true;
    }

    std::array<std::vector<Piece>, 2> pieces_;
    std::array<std::vector<double>, 2> at_zero_;
};

}  // namespace ntkcore
