// The inner loops on one thread, for every instruction set: the layers and the store of a tile, whose floor is a copy
// of its entries in memory; and the product of a tile, whose floor is the BLAS on a large product.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "cases.hpp"
#include "floors.hpp"
#include "ntkcore/aligned.hpp"
#include "ntkcore/blas.hpp"
#include "ntkcore/layer.hpp"
#include "report.hpp"
#include "tile/kernels.hpp"

namespace ntkcore::bench {
namespace {

using tile::kPanel;

constexpr std::size_t kRows = 256;
constexpr std::size_t kHidden = 3;  // layers of a network of depth 4

void tanh(const double* x, std::size_t n, double* y) {
    for (std::size_t i = 0; i < n; ++i) y[i] = std::tanh(x[i]);
}

const std::vector<std::pair<std::string, Activation>> kActivations = {
    {"relu", testing::ab_relu(0, 1)},
    {"leaky_relu", testing::ab_relu(0.2, 1)},
    {"abs", testing::ab_relu(-1, 1)},
    {"erf", {Family::erf, {1, 1, 0}, nullptr}},
    {"gelu", {Family::gelu, {}, nullptr}},
    {"sin", {Family::sinusoid, {1, 1, 1, 0}, nullptr}},
    {"rbf", {Family::rbf, {0.5}, nullptr}},
    {"exp", {Family::exponential, {1, 0.3}, nullptr}},
    {"gaussian", {Family::gaussian, {1, -1}, nullptr}},
    {"polynomial", {Family::mehler, {0.3, 1, -0.5, 0.2}, nullptr}},
    {"rectified_square", {Family::rectified_monomial, {2}, nullptr}},
    {"sign", {Family::step, {-1, 1}, nullptr}},
    {"tanh_expanded", {Family::expanded, {}, std::make_shared<const Expandable>(Expandable{tanh, {}, 0.0})}},
};

template <class T>
const tile::Kernels<T>& kernels_of(const tile::Isa& isa) {
    if constexpr (std::is_same_v<T, float>) {
        return *isa.f32;
    } else {
        return *isa.f64;
    }
}

template <class T>
std::string dtype() {
    return std::is_same_v<T, float> ? "float32" : "float64";
}

// A tile of pairs after the first layer, and all that the layers behind it read.
template <class T>
class Tile {
   public:
    explicit Tile(const Activation& activation) : layer_(Layer<T>::make(activation)) {
        testing::Random random(1);
        for (std::size_t j = 0; j < kPanel; ++j) {
            rho_[j] = static_cast<T>(2 * random.uniform() - 1);
            start_[j] = rho_[j] < 0 ? -(1 + rho_[j]) : 1 - rho_[j];
        }
        // σ_w = 1 and σ_b = 0.1 in front of and behind an activation of inputs of variance 0.5 … 1.5
        std::vector<Scaled> q;
        for (std::size_t j = 0; j < kPanel; ++j) q.emplace_back(0.5 + random.uniform());
        std::vector<Moments> moments(kPanel);
        layer_->limit(1000);
        layer_->prepare(q.data(), kPanel, 1);
        constants_ = layer_->constants();
        tables_ = Aligned<T>(layer_->tables() * kPanel);
        layer_->tabulate(q.data(), kPanel, tables_.data(), kPanel, moments.data());
        for (std::size_t j = 0; j < kPanel; ++j) {
            const double share = ratio(moments[j].square, moments[j].square + Scaled(0.01));
            r_[j] = static_cast<T>(std::sqrt(0.5 * share));
            s_[j] = static_cast<T>(std::sqrt(0.5 * (1 - share)));
            p_[j] = static_cast<T>(1 - std::sqrt(share));
            scale_[j] = static_cast<T>(q[j].value());
        }
    }
    // Θ after all hidden layers, row by row as the engine does it.
    void run(const tile::Kernels<T>& kernels) {
        for (std::size_t i = 0; i < kRows; ++i) {
            std::copy_n(start_.data(), kPanel, u_.data());
            std::copy_n(rho_.data(), kPanel, theta_.data());
            tile::LayerCall<T> call{};
            call.end = kPanel;
            call.u = u_.data();
            call.theta = theta_.data();
            call.r = r_.data();
            call.s = s_.data();
            call.p = p_.data();
            call.r_row = r_[i];
            call.s_row = s_[i];
            call.p_row = p_[i];
            call.tables = tables_.data();
            call.stride = kPanel;
            call.row_tables = tables_.data() + i;
            call.row_stride = kPanel;
            call.n_tables = layer_->tables();
            call.constants = constants_.data();
            for (std::size_t m = 0; m < kHidden; ++m) {
                call.nonnegative = m > 0 && layer_->nonnegative();
                kernels.layer[static_cast<std::size_t>(layer_->family())](call);
            }
            kernels.store_theta({0, kPanel, theta_.data(), scale_[i], scale_.data(), result_.data() + i * kPanel});
        }
    }
    [[nodiscard]] const Aligned<T>& result() const { return result_; }

   private:
    std::unique_ptr<Layer<T>> layer_;
    std::vector<T> constants_;
    Aligned<T> tables_, rho_{kPanel}, start_{kPanel}, r_{kPanel}, s_{kPanel}, p_{kPanel}, scale_{kPanel};
    Aligned<T> u_{kPanel}, theta_{kPanel}, result_{kRows * kPanel};
};

template <class T>
void layers_of(benchmark::State& state, const tile::Isa& isa, const Activation& activation) {
    Tile<T> tile(activation);
    const double floor = copy_seconds_per_byte(1) * sizeof(T);
    measure(state, kRows * kPanel, floor, [&] { tile.run(kernels_of<T>(isa)); });
    // the same as on the simplest instruction set
    Tile<T> plain(activation);
    plain.run(kernels_of<T>(*tile::find_isa("baseline")));
    testing::Largest error;
    for (std::size_t k = 0; k < kRows * kPanel; ++k) {
        error.add(static_cast<double>(std::fabs(tile.result()[k] - plain.result()[k])));
    }
    if (error.value() > 10 * testing::kTolerance<T>) state.SkipWithError("the result is wrong");
}

template <class T>
bool same_products(const std::vector<T>& got, const std::vector<T>& want, std::size_t features) {
    testing::Largest error;
    for (std::size_t k = 0; k < want.size(); ++k) error.add(std::fabs(static_cast<double>(got[k] - want[k])));
    return error.value() < 20 * std::numeric_limits<T>::epsilon() * static_cast<double>(features);
}

// The product of 256 × 256 packed samples, against the BLAS on the same numbers.
template <class T>
void product_of(benchmark::State& state, const tile::Isa& isa, std::size_t features) {
    constexpr std::size_t kStrip = tile::kStrip<T>;
    const auto rows = testing::Random(3).normal<T>(kPanel * features);
    Aligned<T> packed(kPanel * features);
    for (std::size_t i = 0; i < kPanel; ++i) {
        for (std::size_t k = 0; k < features; ++k) {
            packed[(i / kStrip * features + k) * kStrip + i % kStrip] = rows[i * features + k];
        }
    }
    constexpr std::size_t kStride = tile::kTileStride<T>;
    std::vector<T> result(kRows * kStride), want(kRows * kStride);
    const double floor = product_seconds_per_term<T>(1) * static_cast<double>(features);
    const tile::ProductCall<T> call{packed.data(), packed.data(), features, 0, kRows, 0, kPanel, result.data()};
    measure(state, kRows * kPanel, floor, [&] { kernels_of<T>(isa).product(call); });
    gemm_nt(kRows, kPanel, features, rows.data(), features, rows.data(), features, want.data(), kStride);
    if (!same_products(result, want, features)) state.SkipWithError("the result is wrong");
}

// The same product by the BLAS.
template <class T>
void blas_product(benchmark::State& state, std::size_t features) {
    const auto rows = testing::Random(3).normal<T>(kPanel * features);
    std::vector<T> result(kRows * kPanel);
    const double floor = product_seconds_per_term<T>(1) * static_cast<double>(features);
    measure(state, kRows * kPanel, floor, [&] {
        gemm_nt(kRows, kPanel, features, rows.data(), features, rows.data(), features, result.data(), kPanel);
    });
}

void add(const std::string& name, std::function<void(benchmark::State&)> run) {
    benchmark::RegisterBenchmark(name.c_str(), std::move(run))->Unit(benchmark::kMicrosecond);
}

template <class T>
void add_all() {
    for (const char* name : {"avx512", "avx2", "baseline"}) {
        const tile::Isa* const isa = tile::find_isa(name);
        if (isa == nullptr) continue;
        const std::string kind = "/" + dtype<T>() + "/" + name;
        for (const auto& [of, activation] : kActivations) {
            add("layers/" + of + kind,
                [isa, activation](benchmark::State& state) { layers_of<T>(state, *isa, activation); });
        }
        for (const std::size_t features : {100U, 784U}) {
            add("product/" + std::to_string(features) + "_features" + kind,
                [isa, features](benchmark::State& state) { product_of<T>(state, *isa, features); });
        }
    }
    add("product/784_features/" + dtype<T>() + "/blas", [](benchmark::State& state) { blas_product<T>(state, 784); });
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
