// Activation functions σ: their family, which decides the formulas, and its parameters.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ntkcore/expansion.hpp"

namespace ntkcore {

enum class Family {
    ab_relu,             // a·min(x, 0) + b·max(x, 0); parameters a, b
    exponential,         // a·exp(bx); parameters a, b
    rbf,                 // √2 sin(√(2γ) x + π/4); parameter γ ≥ 0
    erf,                 // a·erf(bx) + c; parameters a, b, c
    gelu,                // xΦ(x)
    mehler,              // a polynomial Σ c_n x^n; parameters c_0, c_1, …
    hermite,             // He_n(x)/√n!; parameter n
    sinusoid,            // a (o·sin bx + e·cos bx); parameters a, b, o, e
    rectified_monomial,  // max(x, 0)^k, k ≥ 1; parameter k
    step,                // a for x < 0, b for x > 0; parameters a, b
    gaussian,            // a·exp(bx²); parameters a, b
    expanded,            // any function, by its Hermite expansion
    piecewise_linear,    // continuous; parameters: the B kinks, the B + 1 slopes, the B + 1 intercepts
};

// The family of this name; std::invalid_argument for an unknown one.
[[nodiscard]] Family family(const std::string& name);
[[nodiscard]] const char* name(Family family);
// σ̇ is a function: Σ̇ and Θ exist.
[[nodiscard]] inline bool differentiable(Family family) { return family != Family::step; }

struct Activation {
    Family family = Family::ab_relu;
    std::vector<double> parameters;
    std::shared_ptr<const Expandable> expandable;  // for Family::expanded
    std::string title{};                           // what messages call it; empty: the name of its family
};

// σ(cx) = c^k σ(x) for all c > 0, with some k: the kernels of directions do not depend on the variances.
[[nodiscard]] bool homogeneous(const Activation& activation);

}  // namespace ntkcore
