// The matrix products that the engine borrows. Only blas.cpp knows which library it is.
#pragma once

#include <cstddef>
#include <string>

namespace ntkcore {

// C (m × n) = A (m × k) Bᵀ (n × k), or C += it, row-major with leading dimensions, on the calling thread alone.
// All sizes must fit in 32 bits (the tiles of the engine do).
void gemm_nt(std::size_t m, std::size_t n, std::size_t k, const float* a, std::size_t lda, const float* b,
             std::size_t ldb, float* c, std::size_t ldc, bool add = false);
void gemm_nt(std::size_t m, std::size_t n, std::size_t k, const double* a, std::size_t lda, const double* b,
             std::size_t ldb, double* c, std::size_t ldc, bool add = false);
// C (m × n) = β C + α A (m × k) B (k × n)
void gemm_nn(std::size_t m, std::size_t n, std::size_t k, float alpha, const float* a, std::size_t lda, const float* b,
             std::size_t ldb, float beta, float* c, std::size_t ldc);
void gemm_nn(std::size_t m, std::size_t n, std::size_t k, double alpha, const double* a, std::size_t lda,
             const double* b, std::size_t ldb, double beta, double* c, std::size_t ldc);
// C (m × n) = β C + α Aᵀ (k × m) B (k × n)
void gemm_tn(std::size_t m, std::size_t n, std::size_t k, float alpha, const float* a, std::size_t lda, const float* b,
             std::size_t ldb, float beta, float* c, std::size_t ldc);
void gemm_tn(std::size_t m, std::size_t n, std::size_t k, double alpha, const double* a, std::size_t lda,
             const double* b, std::size_t ldb, double beta, double* c, std::size_t ldc);

[[nodiscard]] std::string blas_config();  // name, version and build options
[[nodiscard]] std::string blas_core();    // the CPU kernel set that it chose at run time

}  // namespace ntkcore
