// Whole kernel matrices: Θ of a ReLU network of depth 4 with biases, symmetric. The floor is half a matrix product for
// many features (the result is symmetric), and a copy of the result for few.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstddef>
#include <string>
#include <type_traits>
#include <vector>

#include "cases.hpp"
#include "floors.hpp"
#include "ntkcore/gram.hpp"
#include "reference.hpp"
#include "report.hpp"

namespace ntkcore::bench {
namespace {

constexpr std::size_t kRows = 4096;

const Network& network() {
    static const Network made = testing::uniform_network(4, testing::ab_relu(0, 1), 1.0, 0.1);
    return made;
}

// Some entries against the recursion in plain loops.
template <class T>
bool right(const testing::Rows<T>& x, const std::vector<T>& theta) {
    testing::Random random(2);
    testing::Largest error;
    const auto exact = [&](std::size_t i, std::size_t j) {
        return static_cast<double>(reference::kernels(network(), x.row(i), x.row(j)).back().theta);
    };
    for (int sample = 0; sample < 20; ++sample) {
        const std::size_t i = random.below(kRows);
        const std::size_t j = sample == 0 ? i : random.below(kRows);
        const double size = std::sqrt(exact(i, i) * exact(j, j));
        error.add(std::fabs(static_cast<double>(theta[i * kRows + j]) - exact(i, j)) / size);
    }
    return error.value() < testing::kTolerance<T>;
}

template <class T>
void gram_of(benchmark::State& state, std::size_t features, int threads) {
    const double floor = features < 100 ? copy_seconds_per_byte(threads) * sizeof(T)
                                        : product_seconds_per_term<T>(threads) * static_cast<double>(features) / 2;
    const testing::Rows<T> x{kRows, features, testing::Random(1).normal<T>(kRows * features)};
    std::vector<T> theta(kRows * kRows);
    const Outputs<T> out{{}, {}, {{theta.data(), kRows, kRows, kRows, 1}}};
    measure(state, kRows * kRows, floor,
            [&] { gram<T>(network(), x.view(), nullptr, Levels::last, out, threads, nullptr); });
    if (!right(x, theta)) state.SkipWithError("the result is wrong");
}

template <class T>
void add_all() {
    for (const std::size_t features : {10U, 784U}) {
        for (const int threads : {1, 2}) {
            const std::string name = std::string("gram/") + (std::is_same_v<T, float> ? "float32" : "float64") + "/" +
                                     std::to_string(features) + "_features/" + std::to_string(threads) + "_threads";
            benchmark::RegisterBenchmark(
                name.c_str(), [features, threads](benchmark::State& state) { gram_of<T>(state, features, threads); })
                ->Unit(benchmark::kMillisecond)
                ->UseRealTime();
        }
    }
}

}  // namespace
}  // namespace ntkcore::bench

int main(int argc, char** argv) {
    ntkcore::bench::add_all<float>();
    ntkcore::bench::add_all<double>();
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
