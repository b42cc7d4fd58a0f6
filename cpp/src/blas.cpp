#include "ntkcore/blas.hpp"

#include <mutex>

#if defined(NTKCORE_BLAS_SCIPY_OPENBLAS)
// The functions of scipy-openblas32 carry a prefix, so they cannot meet another BLAS of the process by name.
#define NTKCORE_BLAS(name) scipy_##name
#else
#define NTKCORE_BLAS(name) name
#endif

extern "C" {
enum { kRowMajor = 101, kNoTrans = 111, kTrans = 112 };
void NTKCORE_BLAS(cblas_sgemm)(int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*,
                               int);
void NTKCORE_BLAS(cblas_dgemm)(int, int, int, int, int, int, double, const double*, int, const double*, int, double,
                               double*, int);
#if defined(NTKCORE_BLAS_SCIPY_OPENBLAS)
char* scipy_openblas_get_config();
char* scipy_openblas_get_corename();
void scipy_openblas_set_num_threads(int);
#endif
}

namespace ntkcore {
namespace {

// The bundled library is this extension's own copy: telling it to stay on the calling thread changes nothing for
// NumPy's or SciPy's BLAS. A system BLAS may be shared, so there its own environment variables rule.
void one_thread_per_call() {
#if defined(NTKCORE_BLAS_SCIPY_OPENBLAS)
    static std::once_flag once;
    std::call_once(once, [] { scipy_openblas_set_num_threads(1); });
#endif
}

void gemm(int trans_a, int trans_b, std::size_t m, std::size_t n, std::size_t k, float alpha, const float* a,
          std::size_t lda, const float* b, std::size_t ldb, float beta, float* c, std::size_t ldc) {
    one_thread_per_call();
    NTKCORE_BLAS(cblas_sgemm)
    (kRowMajor, trans_a, trans_b, static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), alpha, a,
     static_cast<int>(lda), b, static_cast<int>(ldb), beta, c, static_cast<int>(ldc));
}

void gemm(int trans_a, int trans_b, std::size_t m, std::size_t n, std::size_t k, double alpha, const double* a,
          std::size_t lda, const double* b, std::size_t ldb, double beta, double* c, std::size_t ldc) {
    one_thread_per_call();
    NTKCORE_BLAS(cblas_dgemm)
    (kRowMajor, trans_a, trans_b, static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), alpha, a,
     static_cast<int>(lda), b, static_cast<int>(ldb), beta, c, static_cast<int>(ldc));
}

}  // namespace

void gemm_nt(std::size_t m, std::size_t n, std::size_t k, const float* a, std::size_t lda, const float* b,
             std::size_t ldb, float* c, std::size_t ldc, bool add) {
    gemm(kNoTrans, kTrans, m, n, k, 1.0F, a, lda, b, ldb, add ? 1.0F : 0.0F, c, ldc);
}

void gemm_nt(std::size_t m, std::size_t n, std::size_t k, const double* a, std::size_t lda, const double* b,
             std::size_t ldb, double* c, std::size_t ldc, bool add) {
    gemm(kNoTrans, kTrans, m, n, k, 1.0, a, lda, b, ldb, add ? 1.0 : 0.0, c, ldc);
}

void gemm_nn(std::size_t m, std::size_t n, std::size_t k, float alpha, const float* a, std::size_t lda, const float* b,
             std::size_t ldb, float beta, float* c, std::size_t ldc) {
    gemm(kNoTrans, kNoTrans, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void gemm_nn(std::size_t m, std::size_t n, std::size_t k, double alpha, const double* a, std::size_t lda,
             const double* b, std::size_t ldb, double beta, double* c, std::size_t ldc) {
    gemm(kNoTrans, kNoTrans, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void gemm_tn(std::size_t m, std::size_t n, std::size_t k, float alpha, const float* a, std::size_t lda, const float* b,
             std::size_t ldb, float beta, float* c, std::size_t ldc) {
    gemm(kTrans, kNoTrans, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void gemm_tn(std::size_t m, std::size_t n, std::size_t k, double alpha, const double* a, std::size_t lda,
             const double* b, std::size_t ldb, double beta, double* c, std::size_t ldc) {
    gemm(kTrans, kNoTrans, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

std::string blas_config() {
#if defined(NTKCORE_BLAS_SCIPY_OPENBLAS)
    return scipy_openblas_get_config();
#else
    return "system (" NTKCORE_BLAS_NAME ")";
#endif
}

std::string blas_core() {
#if defined(NTKCORE_BLAS_SCIPY_OPENBLAS)
    return scipy_openblas_get_corename();
#else
    return "unknown";
#endif
}

}  // namespace ntkcore
