// Activation functions σ: their family, which decides the formulas, and its parameters.
#pragma once

#include <string>
#include <vector>

namespace ntkcore {

enum class Family {
    ab_relu,  // a·min(x, 0) + b·max(x, 0); parameters a, b
};

// The family of this name; std::invalid_argument for an unknown one.
[[nodiscard]] Family family(const std::string& name);

struct Activation {
    Family family = Family::ab_relu;
    std::vector<double> parameters;
};

}  // namespace ntkcore
