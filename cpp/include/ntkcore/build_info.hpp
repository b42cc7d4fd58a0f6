// What this build is and what it runs on.
#pragma once

#include <string>

namespace ntkcore {

[[nodiscard]] const char* version();
[[nodiscard]] const char* compiler();
[[nodiscard]] const char* simd_path();  // the instruction set in use

}  // namespace ntkcore
