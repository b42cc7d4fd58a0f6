#include "bind.hpp"
#include "ntkcore/blas.hpp"
#include "ntkcore/build_info.hpp"
#include "ntkcore/parallel.hpp"

namespace ntkcore::python {

namespace py = pybind11;

void bind_build_info(py::module_& m) {
    m.attr("__version__") = version();
    m.def("available_threads", &available_threads,
          "Threads that this process may use: OMP_NUM_THREADS, else CPU affinity and cgroup quota.");
    m.def(
        "build_info",
        [] {
            py::dict info;
            info["version"] = version();
            info["compiler"] = compiler();
            info["openmp"] = openmp_version();
            info["simd"] = simd_path();
            info["blas"] = blas_config();
            info["blas_core"] = blas_core();
            info["threads"] = available_threads();
            return info;
        },
        "Facts of the build and of the machine it runs on.");
}

}  // namespace ntkcore::python
