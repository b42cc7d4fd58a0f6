// The NTK of finite networks against the full Jacobian in plain loops.
#include <doctest/doctest.h>

#include <vector>

#include "mlp_cases.hpp"
#include "ntkcore/empirical_ntk.hpp"

namespace ntkcore {
namespace {

using reference::Real;
using reference::Vector;
using testing::Case;
using testing::distance;
using testing::kMlpTolerance;

// ∂f_k(x_p)/∂θ by parts: jacobian[p][k][part].
using Jacobian = std::vector<std::vector<std::vector<Vector>>>;

template <class T>
Jacobian jacobian(const Case<T>& c) {
    Jacobian all(c.n);
    for (std::size_t p = 0; p < c.n; ++p) {
        for (std::size_t k = 0; k < c.sizes.back(); ++k) {
            Vector unit(c.sizes.back());
            unit[k] = 1;
            all[p].push_back(reference::gradient(c.layers(), c.sigma, c.point(p), unit));
        }
    }
    return all;
}

Real dot(const Vector& a, const Vector& b) {
    Real sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
}

// In the layout of NtkCall::out, the first n_rows × n_cols points.
Vector reference_ntk(const Jacobian& a, const Jacobian& b, NtkOutputs outputs, bool per_layer) {
    const std::size_t k = a[0].size();
    const std::size_t parts = a[0][0].size();
    Vector all;
    for (std::size_t level = 0; level < (per_layer ? parts : 1); ++level) {
        for (const auto& x : a) {
            for (const auto& z : b) {
                const auto entry = [&](std::size_t q, std::size_t r) {
                    Real sum = 0;
                    for (std::size_t part = 0; part < parts; ++part) {
                        if (!per_layer || part == level) sum += dot(x[q][part], z[r][part]);
                    }
                    return sum;
                };
                if (outputs == NtkOutputs::mean) {
                    Real sum = 0;
                    for (std::size_t q = 0; q < k; ++q) sum += entry(q, q);
                    all.push_back(sum / static_cast<Real>(k));
                } else if (outputs == NtkOutputs::diagonal) {
                    for (std::size_t q = 0; q < k; ++q) all.push_back(entry(q, q));
                } else {
                    for (std::size_t e = 0; e < k * k; ++e) all.push_back(entry(e / k, e % k));
                }
            }
        }
    }
    return all;
}

template <class T>
std::vector<T> engine_ntk(const Mlp<T>& mlp, const Case<T>& x, const Case<T>* z, NtkOutputs outputs, bool per_layer,
                          std::size_t memory) {
    NtkCall<T> call;
    call.n = x.n;
    call.x = x.points();
    call.m = z != nullptr ? z->n : x.n;
    if (z != nullptr) call.z = z->points();
    call.outputs = outputs;
    call.per_layer = per_layer;
    call.memory = memory;
    std::vector<T> out(call.n * call.m * numbers(outputs, x.sizes.back()) * (per_layer ? 2 * x.depth() : 1), T(-99));
    call.out = out.data();
    empirical_ntk<T>(mlp, call, nullptr);
    return out;
}

constexpr std::size_t kPlenty = std::size_t{1} << 30U;

TEST_CASE_TEMPLATE("Every layout, in one block and in many, is the product of Jacobians", T, float, double) {
    for (const std::vector<std::size_t>& sizes :
         {std::vector<std::size_t>{3, 17, 20, 3}, std::vector<std::size_t>{70, 9, 1}, std::vector<std::size_t>{5, 2}}) {
        Case<T> x(sizes, 19, "tanh");
        Case<T> z(sizes, 7, "tanh", 6);
        z.weights = x.weights;
        z.biases = x.biases;
        const Mlp<T> mlp = x.engine(2);
        const Jacobian jx = jacobian(x);
        const Jacobian jz = jacobian(z);
        for (const NtkOutputs outputs : {NtkOutputs::mean, NtkOutputs::diagonal, NtkOutputs::full}) {
            for (const bool per_layer : {false, true}) {
                const Vector symmetric = reference_ntk(jx, jx, outputs, per_layer);
                const Vector crossed = reference_ntk(jx, jz, outputs, per_layer);
                for (const std::size_t memory : {kPlenty, std::size_t{1}}) {
                    CAPTURE(sizes.size());
                    CAPTURE(static_cast<int>(outputs));
                    CAPTURE(per_layer);
                    CAPTURE(memory);
                    CHECK(distance(engine_ntk<T>(mlp, x, nullptr, outputs, per_layer, memory), symmetric) <
                          kMlpTolerance<T>);
                    CHECK(distance(engine_ntk<T>(mlp, x, &z, outputs, per_layer, memory), crossed) < kMlpTolerance<T>);
                }
            }
        }
    }
}

TEST_CASE("The NTK of every activation is the product of Jacobians") {
    for (const reference::Map& map : reference::maps()) {
        CAPTURE(map.name);
        for (const std::size_t outputs : {1U, 3U}) {
            Case<double> x({3, 6, 5, outputs}, 4, map.name, 3);
            const Jacobian j = jacobian(x);
            const auto found = engine_ntk<double>(x.engine(1), x, nullptr, NtkOutputs::full, false, kPlenty);
            CHECK(distance(found, reference_ntk(j, j, NtkOutputs::full, false)) < kMlpTolerance<double>);
        }
    }
}

TEST_CASE_TEMPLATE("Symmetric to the last bit, tiles and blocks included", T, float, double) {
    Case<T> x({3, 11, 12, 2}, 150, "gelu");
    for (const std::size_t memory : {kPlenty, std::size_t{20000}}) {
        const auto theta = engine_ntk<T>(x.engine(2), x, nullptr, NtkOutputs::full, false, memory);
        std::size_t different = 0;
        for (std::size_t i = 0; i < x.n; ++i) {
            for (std::size_t j = 0; j < x.n; ++j) {
                for (std::size_t e = 0; e < 4; ++e) {
                    const std::size_t turned = e % 2 * 2 + e / 2;
                    different += theta[(i * x.n + j) * 4 + e] != theta[(j * x.n + i) * 4 + turned] ? 1 : 0;
                }
            }
        }
        CHECK(different == 0);
    }
}

TEST_CASE_TEMPLATE("The product with a vector is that of the matrix, by kernels and by gradients", T, float, double) {
    for (const std::size_t n : {1U, 9U, 40U}) {  // 40 points are more than the widest layer
        Case<T> x({3, 17, 20, 3}, n, "tanh");
        const Mlp<T> mlp = x.engine(2);
        const auto theta = engine_ntk<T>(mlp, x, nullptr, NtkOutputs::full, false, kPlenty);
        Vector wanted(n * 3);
        for (std::size_t i = 0; i < n * 3; ++i) {
            for (std::size_t j = 0; j < n * 3; ++j) {
                const std::size_t at = (i / 3 * n + j / 3) * 9 + i % 3 * 3 + j % 3;
                wanted[i] += static_cast<Real>(theta[at]) * static_cast<Real>(x.direction[j]);
            }
        }
        for (const std::size_t memory : {kPlenty, std::size_t{4000}}) {
            CAPTURE(n);
            CAPTURE(memory);
            std::vector<T> found(n * 3, T(-99));
            ntk_vector_product<T>(mlp, n, x.points(), x.direction.data(), found.data(), nullptr, memory);
            CHECK(distance(found, wanted) < kMlpTolerance<T>);
        }
    }
}

}  // namespace
}  // namespace ntkcore
