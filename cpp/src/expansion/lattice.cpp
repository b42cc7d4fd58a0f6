#include "ntkcore/lattice.hpp"

#include <algorithm>
#include <map>

namespace ntkcore {
namespace {

constexpr std::size_t kWindow = 12;  // nodes that a value between them is interpolated from
constexpr std::size_t kLeast = 8;    // nodes of a level at least
constexpr double kDecay = 3.5;       // the terms beyond the last node fall like d^{−3.5}

// Beyond d = `from` the steps double from h to H = 2h: the terms left out are interpolated from their neighbours, and
// what the sum takes of each goes to these. Away from `from` every node gets H, by symmetry.
void thin(std::map<std::size_t, double>& weight, const std::vector<std::size_t>& before, std::size_t from,
          std::size_t h) {
    constexpr std::size_t kExplicit = 32;
    std::vector<std::size_t> kept(before.end() - static_cast<std::ptrdiff_t>(std::min(before.size(), kWindow)),
                                  before.end());  // ends with `from`
    const std::size_t base = kept.size() - 1;
    for (std::size_t i = 1; i <= kExplicit; ++i) kept.push_back(from + 2 * h * i);
    const auto of = [&](std::size_t d) { return weight.try_emplace(d, static_cast<double>(h)).first; };
    for (std::size_t r = 0; r + kWindow / 2 <= kExplicit; ++r) {
        const std::size_t gone = from + (2 * r + 1) * h;
        const double share = of(gone)->second;
        weight.erase(gone);
        const std::size_t first = base + r + 1 - kWindow / 2;
        for (std::size_t a = first; a < first + kWindow; ++a) {
            double factor = share;
            for (std::size_t b = first; b < first + kWindow; ++b) {
                if (b == a) continue;
                const auto x = [&](std::size_t i) { return static_cast<double>(kept[i]); };
                factor *= (static_cast<double>(gone) - x(b)) / (x(a) - x(b));
            }
            of(kept[a])->second += factor;
        }
    }
    weight.erase(weight.upper_bound(from + 2 * h * (kExplicit - kWindow)), weight.end());
}

}  // namespace

Lattice Lattice::make(std::size_t dense, std::size_t top, std::size_t rate) {
    Lattice result;
    for (std::size_t d = 0; d <= dense; ++d) result.node.push_back(d);
    result.start = {0};
    std::map<std::size_t, double> weight;
    std::size_t h = 1;
    while (result.node.back() < top) {
        thin(weight, result.node, result.node.back(), h);
        h *= 2;
        result.start.push_back(result.node.size() - 1);
        for (std::size_t n = 0; n < kLeast || (result.node.back() < 2 * rate * h && result.node.back() < top); ++n) {
            result.node.push_back(result.node.back() + h);
        }
    }
    std::size_t level = 0;
    for (std::size_t m = 0; m < result.node.size(); ++m) {
        while (level + 1 < result.start.size() && result.start[level + 1] <= m) ++level;
        const auto found = weight.find(result.node[m]);
        result.weight.push_back(found != weight.end() ? found->second : static_cast<double>(std::size_t{1} << level));
    }
    const auto last = static_cast<double>(result.node.back());
    const auto step = static_cast<double>(h);
    result.weight.back() = step / 2 + last / (kDecay - 1) + kDecay * step * step / (12 * last);
    return result;
}

}  // namespace ntkcore
