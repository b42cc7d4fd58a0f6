// The kernels of a network on a sphere, |x|²/n0 the same for all x: functions of one angle.
#pragma once

#include <memory>
#include <vector>

#include "ntkcore/error_bound.hpp"
#include "ntkcore/network.hpp"

namespace ntkcore {

enum class Kernel { sigma, sigma_dot, theta };

class ScalarKernel {
   public:
    // mean_square: |x|²/n0. Without `slopes` only Σ. std::invalid_argument if there is no variance.
    ScalarKernel(const Network& network, double mean_square, bool slopes);
    ~ScalarKernel();
    ScalarKernel(ScalarKernel&&) noexcept;
    ScalarKernel& operator=(ScalarKernel&&) noexcept;

    // q¹, and the share of it that depends on the direction: ρ¹ = 1 − share·(1 − cos θ) for inputs at the angle θ.
    [[nodiscard]] double variance() const;
    [[nodiscard]] double share() const;
    // K(0): of one point with itself.
    [[nodiscard]] double diagonal(Kernel kernel) const;
    // a_0, a_1, …: K = Σ_k a_k T_k(x), x = 2(1 + c)τ/(τ + c) − 1, τ = θ₁/π, cos θ₁ = ρ¹, with c = bend() (∞: x = 2τ −
    // 1). Empty if no series of reasonable length is exact to rounding errors (kernels that jump at θ = 0); then every
    // value is computed layer by layer.
    [[nodiscard]] std::vector<double> coefficients(Kernel kernel) const;
    [[nodiscard]] double bend() const;
    // Of |error|/K(0).
    [[nodiscard]] const ErrorBound& error_bound() const;
    // An expansion was cut short.
    [[nodiscard]] bool capped() const;
    [[nodiscard]] std::size_t degree() const;

    // θ₁ = arccos ρ¹ of n angles between inputs, in [0, π]; no digit is lost near 0 and π.
    void first_angles(const double* angles, std::size_t n, double* result) const;
    // The kernel at n angles between inputs; at 0 the diagonal, which knows no truncation.
    void evaluate(Kernel kernel, const double* angles, std::size_t n, double* result) const;

   private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace ntkcore
