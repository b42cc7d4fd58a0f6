#include "expansion/panels.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "legendre.hpp"

namespace ntkcore {
namespace {

constexpr std::size_t kNodes = Legendre::kNodes;
constexpr double kEps = std::numeric_limits<double>::epsilon();
constexpr double kResolved = 4e-15;  // the size of the last Legendre coefficients, relative to σ on the panel
constexpr std::size_t kMostPanels = 2000;

}  // namespace

Parity parity_of(const Function& function, double reach) {
    std::vector<double> x;
    for (double t = 1.0; t > 1e-4; t *= 0.83) x.push_back(t * reach);
    for (int k = 1; k < 64; ++k) x.push_back(0.11 * k);
    const std::size_t n = x.size();
    for (std::size_t i = 0; i < n; ++i) x.push_back(-x[i]);
    std::vector<double> y(2 * n);
    function(x.data(), 2 * n, y.data());
    bool odd = true;
    bool even = true;
    for (std::size_t i = 0; i < n; ++i) {
        if (!std::isfinite(y[i]) || !std::isfinite(y[n + i])) continue;
        const double size = 4 * kEps * std::max(std::fabs(y[i]), std::fabs(y[n + i]));
        odd = odd && std::fabs(y[i] + y[n + i]) <= size;
        even = even && std::fabs(y[i] - y[n + i]) <= size;
    }
    if (even) return Parity::even;
    return odd ? Parity::odd : Parity::none;
}

double radius(const Function& function, double root) {
    constexpr std::size_t kCount = 521;
    constexpr double kStep = 0.1;
    std::vector<double> x(2 * kCount);
    std::vector<double> y(2 * kCount);
    for (std::size_t i = 0; i < kCount; ++i) {
        x[i] = root * kStep * static_cast<double>(i);
        x[kCount + i] = -x[i];
    }
    function(x.data(), x.size(), y.data());
    double norm = 0.0;
    double log_size[kCount];
    double most = -std::numeric_limits<double>::infinity();
    std::size_t known = kCount;
    for (std::size_t i = 0; i < kCount; ++i) {
        const double z = kStep * static_cast<double>(i);
        const double size = std::fmax(std::fabs(y[i]), std::fabs(y[kCount + i]));
        if (!std::isfinite(y[i]) || !std::isfinite(y[kCount + i])) {
            known = i;
            break;
        }
        log_size[i] = std::log(std::fmax(size, 1e-300)) - z * z / 4;
        most = std::fmax(most, log_size[i]);
    }
    for (std::size_t i = 0; i < known; ++i) norm += kStep * std::exp(2 * (log_size[i] - most));
    const double limit = std::log(1e-18) + most + 0.5 * std::log(norm > 0 ? norm : 1.0);
    std::size_t last = known;
    while (last > 0 && log_size[last - 1] <= limit) --last;
    if (last == known) {
        throw std::domain_error(
            "the activation is not finite, or grows too fast for E[σ(u)²] to exist, at a variance of " +
            std::to_string(root * root));
    }
    return std::fmax(8.0, kStep * static_cast<double>(last + 1));
}

std::vector<double> make_panels(const Sigma& sigma, double root, double reach, const std::vector<double>& shrink,
                                const std::vector<double>& breakpoints) {
    const Legendre& rule = Legendre::rule();
    std::vector<double> edges = {0.0, reach};
    for (const double b : breakpoints) {
        const double edge = std::fabs(b) / root;
        if (edge > 0 && edge < reach) edges.push_back(edge);
    }
    // Where √q is large all that happens near x = 0 could fall between two nodes.
    for (double x = 1.0; x < root * reach; x *= 4.0) edges.push_back(x / root);
    std::sort(edges.begin(), edges.end());
    edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
    std::vector<std::pair<double, double>> open;
    std::vector<double> done = {0.0};
    for (std::size_t i = 0; i + 1 < edges.size(); ++i) open.emplace_back(edges[i], edges[i + 1]);
    Split space;
    double scale = 0.0;  // the typical size of σ
    {
        space.points.clear();
        for (int i = 0; i < 101; ++i) space.points.push_back(root * 0.03 * i);
        sigma(101, space);
        for (const auto* part : {&space.odd, &space.even}) {
            for (const double y : *part) scale += y * y / 101;
        }
        scale = std::sqrt(scale);
    }
    while (!open.empty()) {
        space.points.clear();
        for (const auto& [a, b] : open) {
            for (const double s : shrink) {
                for (const double t : rule.node) space.points.push_back(s * root * (0.5 * (a + b) + 0.5 * (b - a) * t));
            }
        }
        sigma(space.points.size(), space);
        std::vector<std::pair<double, double>> next;
        for (std::size_t p = 0; p < open.size(); ++p) {
            const auto [a, b] = open[p];
            bool fine = true;
            for (std::size_t k = 0; fine && k < shrink.size(); ++k) {
                for (const auto* part : {&space.odd, &space.even}) {
                    if (part->empty()) continue;
                    const double* y = part->data() + (p * shrink.size() + k) * kNodes;
                    double most = scale;
                    for (std::size_t i = 0; i < kNodes; ++i) most = std::fmax(most, std::fabs(y[i]));
                    for (std::size_t row = kNodes; row < kNodes + Legendre::kTop; ++row) {
                        double c = 0.0;
                        for (std::size_t i = 0; i < kNodes; ++i) c += rule.matrix[row][i] * y[i];
                        fine = fine && std::fabs(c) <= kResolved * most;
                    }
                }
            }
            if (fine || b - a < 1e-9 * std::fmax(1e-3, a) || done.size() + next.size() > kMostPanels) {
                done.push_back(b);
            } else {
                const double middle = 0.5 * (a + b);
                next.emplace_back(a, middle);
                next.emplace_back(middle, b);
            }
        }
        open = std::move(next);
    }
    std::sort(done.begin(), done.end());
    return done;
}

}  // namespace ntkcore
