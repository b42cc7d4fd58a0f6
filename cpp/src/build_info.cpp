#include "ntkcore/build_info.hpp"

#include "tile/kernels.hpp"

namespace ntkcore {

const char* version() { return NTKCORE_VERSION; }

const char* compiler() {
#if defined(__clang__)
    return "Clang " __clang_version__;
#elif defined(__GNUC__)
    return "GCC " __VERSION__;
#else
    return "unknown";
#endif
}

const char* simd_path() { return tile::isa().name; }

}  // namespace ntkcore
